using System.Reflection;
using System.Text.RegularExpressions;

namespace MsResampler.Kernels.Compiler;

/// <summary>The names of a kernel, derived from its class, its method and all type arguments.</summary>
internal static partial class KernelName
{
    /// <summary>The name of the kernel method of a class with one kernel. The names of such a kernel do not contain
    /// it.</summary>
    public const string Method = "Run";

    /// <summary>The name for display, such as <c>GemmTiled GemmTile64 LinearEpilogue</c>.</summary>
    public static string Display(Type kernel) => string.Join(' ', Words(kernel));

    /// <summary>The name of the entry function, such as <c>GemmTiled_GemmTile64_LinearEpilogue</c>: debuggers,
    /// profilers and the driver's messages show it. PTX ISA, Identifiers.</summary>
    public static string Entry(MethodInfo kernel) => Entry(Words(kernel));

    /// <summary>The name of the entry function of a class with one kernel.</summary>
    public static string Entry(Type kernel) => Entry(Words(kernel));

    private static string Entry(IEnumerable<string> words) => NotInIdentifiers().Replace(string.Join('_', words), "_");

    private static IEnumerable<string> Words(MethodInfo kernel)
    {
        Type type = kernel.DeclaringType!;
        IEnumerable<string> method = kernel.Name == Method ? [] : [kernel.Name];
        return [Word(type), .. method,
            .. type.GetGenericArguments().Concat(kernel.GetGenericArguments()).Select(Word)];
    }

    private static IEnumerable<string> Words(Type kernel)
        => [Word(kernel), .. kernel.GetGenericArguments().Select(Word)];

    private static string Word(Type type) => type.Name.Split('`')[0];

    [GeneratedRegex("[^A-Za-z0-9_]")]
    private static partial Regex NotInIdentifiers();
}
