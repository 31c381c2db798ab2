using System.Globalization;
using System.Text.RegularExpressions;
using MsResampler.Kernels.Engine;

namespace MsResampler.Kernels.Compiler;

/// <summary>Reads the entry function's declaration from PTX text.</summary>
internal static partial class PtxEntry
{
    /// <summary>The entry's name and where its parameters lie. Each starts at the next multiple of its alignment, as
    /// the driver lays them out (CUDA Driver API, cuLaunchKernel, CU_LAUNCH_PARAM_BUFFER_POINTER).</summary>
    /// <exception cref="FormatException">The text has no entry, or a parameter of unknown form.</exception>
    public static (string Name, IReadOnlyList<KernelParameter> Parameters, int ParameterBytes) Read(string ptx)
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
                throw new FormatException($"Entry {entry.Groups["name"]}: '{declaration}' is no parameter.");
            int elementBytes = Number(parameter.Groups["bits"]) / 8;
            int alignment = parameter.Groups["align"].Success ? Number(parameter.Groups["align"]) : elementBytes;
            int bytes = elementBytes * (parameter.Groups["count"].Success ? Number(parameter.Groups["count"]) : 1);
            int offset = (end + alignment - 1) / alignment * alignment;
            parameters.Add(new KernelParameter(offset, bytes));
            end = offset + bytes;
        }

        return (entry.Groups["name"].Value, parameters, end);
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\.entry\s+(?<name>[\w$%]+)\s*\((?<parameters>[^)]*)\)")]
    private static partial Regex Entry();

    [GeneratedRegex(@"^\.param\s+(\.align\s+(?<align>\d+)\s+)?\.[busf](?<bits>8|16|32|64)\s+[\w$%]+(\[(?<count>\d+)\])?$")]
    private static partial Regex Parameter();
}
