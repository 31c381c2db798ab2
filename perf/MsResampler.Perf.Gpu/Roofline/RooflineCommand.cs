using System.CommandLine;
using MsResampler.Perf.Measuring;

namespace MsResampler.Perf.Roofline;

/// <summary><c>roofline</c>: writes the static roofline.</summary>
internal static class RooflineCommand
{
    public static Command Create()
    {
        Command command = new("roofline",
            "Compute what each launch of the half-precision forward pass takes at least, from data sheets; needs no " +
            "GPU.");
        command.SetAction(_ =>
        {
            string path = Path.Combine(Machine.Results, RooflineReport.FileName);
            Directory.CreateDirectory(Machine.Results);
            File.WriteAllText(path, RooflineReport.ToMarkdown());
            Console.WriteLine(path);
        });
        return command;
    }
}
