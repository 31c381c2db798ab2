using System.CommandLine;

namespace MsResampler.Perf.Roofline;

/// <summary>The command <c>roofline</c>: writes the static roofline.</summary>
internal static class RooflineCommand
{
    public static Command Create()
    {
        Command command = new("roofline",
            "Compute lower bounds for the time of each launch of the float16 forward pass, from data sheets. Needs " +
            "no GPU.");
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
