using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using ILGPU;
using ILGPU.Runtime;

namespace MsResampler.Kernels.Compiler;

/// <summary>Everything that the text of a compiled kernel depends on.</summary>
/// <param name="Text">It in words: kernel and type arguments, the builds of the assemblies that they are in and of
/// ILGPU, architecture, PTX version and launch bounds.</param>
internal readonly record struct KernelKey(string Text)
{
    /// <summary>The key of a kernel's compilation.</summary>
    public static KernelKey Of(MethodInfo kernel, int architecture, PtxVersion version, KernelSpecialization bounds)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{kernel.DeclaringType}::{kernel}");
        if (kernel.IsGenericMethod)
            text.Append('<').AppendJoin(", ", kernel.GetGenericArguments().AsEnumerable()).Append('>');
        text.Append(CultureInfo.InvariantCulture, $" sm_{architecture} ptx {version}");
        text.Append(CultureInfo.InvariantCulture,
            $" bounds {bounds.MaxNumThreadsPerGroup} {bounds.MinNumGroupsPerMultiprocessor}");
        foreach (Guid build in Builds(kernel).Distinct().Order())
            text.Append(CultureInfo.InvariantCulture, $" {build}");
        return new KernelKey(text.ToString());
    }

    /// <summary>A name for a file.</summary>
    public string FileName => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Text)).AsSpan(0, 16));

    /// <summary>A module's version id changes with whatever is compiled into it.</summary>
    private static IEnumerable<Guid> Builds(MethodInfo kernel)
    {
        yield return typeof(KernelKey).Module.ModuleVersionId;
        yield return typeof(PatchGrid).Module.ModuleVersionId;
        yield return typeof(Context).Module.ModuleVersionId;
        yield return kernel.Module.ModuleVersionId;
        IEnumerable<Type> arguments = kernel.GetGenericArguments()
            .Concat(kernel.DeclaringType?.GetGenericArguments() ?? []);
        foreach (Type argument in arguments)
        {
            foreach (Guid build in Builds(argument))
                yield return build;
        }
    }

    private static IEnumerable<Guid> Builds(Type type) =>
        type.GetGenericArguments().SelectMany(Builds).Append(type.Module.ModuleVersionId);
}
