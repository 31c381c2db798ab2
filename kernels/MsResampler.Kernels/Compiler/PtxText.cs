using System.Globalization;
using System.Text.RegularExpressions;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>Reads and edits the PTX text that ILGPU emits.</summary>
internal static partial class PtxText
{
    /// <summary>The instruction that waits for the kernels before.</summary>
    public const string Wait = "griddepcontrol.wait";

    /// <summary>Removes functions that are never called, which ILGPU emits for methods that became instructions, and
    /// renumbers labels and names in the order of their occurrence. ILGPU's own numbers depend on what was compiled
    /// before; after this, equal kernels have equal texts. The entry function, which ILGPU names after the method
    /// only, gets another name. Every sum, difference and product of floats is rounded on its own: without .rn, the
    /// assembler may contract a product and a sum to an fma, and so round differently in each kernel (PTX ISA, add,
    /// sub, mul).</summary>
    /// <param name="ptx">The text from ILGPU.</param>
    /// <param name="entryName">The new name of the entry function.</param>
    public static string Clean(string ptx, string entryName)
    {
        ptx = ptx.ReplaceLineEndings("\n");
        HashSet<string> called = [.. Call().Matches(ptx).Select(call => call.Groups["name"].Value)];
        ptx = Function().Replace(ptx, function => called.Contains(function.Groups["name"].Value) ? function.Value : "");
        var numbers = new Dictionary<string, string>();
        ptx = WithoutRounding().Replace(ptx, "$0.rn");
        ptx = NumberedName().Replace(ptx, name =>
        {
            string number = name.Groups["number"].Value;
            if (!numbers.TryGetValue(number, out string? renumbered))
                numbers.Add(number, renumbered = numbers.Count.ToString(CultureInfo.InvariantCulture));
            return name.Groups["name"].Value + renumbered;
        });
        Group name = Entry().Match(ptx).Groups["name"];
        return $"{ptx.AsSpan(0, name.Index)}{entryName}{ptx.AsSpan(name.Index + name.Length)}";
    }

    /// <summary>Makes a kernel permit the kernels after it to begin, and wait for those before it, before it does
    /// anything else. Without a permission the kernels after it begin when it has ended. PTX ISA, Parallel
    /// Synchronization: griddepcontrol.</summary>
    /// <param name="ptx">The text of <see cref="Clean"/>.</param>
    /// <param name="version">The PTX version of the text that is returned.</param>
    public static string WaitFirst(string ptx, PtxVersion version)
    {
        ptx = Header().Replace(ptx, string.Create(CultureInfo.InvariantCulture,
            $".version {version}\n.target {new PtxTarget(version, KernelTarget.Hopper.Architecture)}\n"), 1);
        int body = ptx.IndexOf("\n{\n", Entry().Match(ptx).Index, StringComparison.Ordinal) + 3;
        return $"{ptx.AsSpan(0, body)}\tgriddepcontrol.launch_dependents;\n\t{Wait};\n{ptx.AsSpan(body)}";
    }

    /// <summary>Reads the name of the entry function and the layout of its parameters. Each parameter starts at the
    /// next multiple of its alignment, as the driver expects it (CUDA Driver API, cuLaunchKernel,
    /// CU_LAUNCH_PARAM_BUFFER_POINTER).</summary>
    /// <exception cref="FormatException">The text has no entry function, or a parameter has an unknown
    /// form.</exception>
    public static (string Name, IReadOnlyList<KernelParameter> Parameters, int ParameterBytes) ReadEntry(string ptx)
    {
        Match entry = Entry().Match(ptx);
        if (!entry.Success)
            throw new FormatException("The PTX text has no entry function.");
        var parameters = new List<KernelParameter>();
        int end = 0;
        foreach (string declaration in entry.Groups["parameters"].Value
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            Match parameter = Parameter().Match(declaration);
            if (!parameter.Success)
                throw new FormatException($"Entry {entry.Groups["name"]}: '{declaration}' is not a parameter.");
            int elementBytes = Number(parameter.Groups["bits"]) / 8;
            int alignment = parameter.Groups["align"].Success ? Number(parameter.Groups["align"]) : elementBytes;
            int bytes = elementBytes * (parameter.Groups["count"].Success ? Number(parameter.Groups["count"]) : 1);
            int offset = (end + alignment - 1) / alignment * alignment;
            parameters.Add(new KernelParameter(offset, bytes));
            end = offset + bytes;
        }

        return (entry.Groups["name"].Value, parameters, end);
    }

    /// <summary>Reads the architecture that a text is for.</summary>
    /// <exception cref="FormatException">The text has no target.</exception>
    public static string ReadTarget(string ptx) => Target().Match(ptx) is { Success: true } target
        ? target.Groups["name"].Value
        : throw new FormatException("The PTX text names no target, such as .target sm_80.");

    private static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\tcall(\.uni)?\s+(\([^)]*\),\s*)?(?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Call();

    [GeneratedRegex(@"^\.visible \.func (\([^)]*\) )?(?<name>\w+)\(.*?^[;}]\n\n?",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Function();

    [GeneratedRegex(@"^\t(@!?[\w%]+\s+)?(add|sub|mul)(?=(\.ftz|\.sat)*\.b?f(16|32|64))", RegexOptions.Multiline)]
    private static partial Regex WithoutRounding();

    [GeneratedRegex(@"(?<![\w$%.])(?!sm_|Kernel_)(?<name>L_|\w+_)(?<number>\d+)\b")]
    private static partial Regex NumberedName();

    [GeneratedRegex(@"^\.version .*\n\.target .*\n", RegexOptions.Multiline)]
    private static partial Regex Header();

    [GeneratedRegex(@"^\.target\s+(?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Target();

    [GeneratedRegex(@"\.entry\s+(?<name>[\w$%]+)\s*\((?<parameters>[^)]*)\)")]
    private static partial Regex Entry();

    [GeneratedRegex(@"^\.param\s+(\.align\s+(?<align>\d+)\s+)?\.[busf](?<bits>8|16|32|64)\s+" +
        @"[\w$%]+(\[(?<count>\d+)\])?$")]
    private static partial Regex Parameter();
}
