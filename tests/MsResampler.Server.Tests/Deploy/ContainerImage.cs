using System.Text.RegularExpressions;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>A stage of the Containerfile.</summary>
/// <param name="Base">The image or stage that it starts from.</param>
/// <param name="Name">Its name.</param>
/// <param name="Instructions">Its instructions, with continued lines joined.</param>
internal sealed partial record ContainerImage(string Base, string Name, IReadOnlyList<string> Instructions)
{
    /// <summary>The user of all programs, that of Microsoft's images.</summary>
    public const int User = 1654;

    /// <summary>Reads the stages of a Containerfile, and the default values of the arguments before them.</summary>
    public static (ContainerImage[] Stages, Dictionary<string, string> Arguments) Read(string text)
    {
        string joined = Continuation().Replace(Comment().Replace(text.ReplaceLineEndings("\n"), ""), " ");
        string[] lines = [.. joined.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0)];
        Dictionary<string, string> arguments = [];
        List<ContainerImage> stages = [];
        List<string> instructions = [];
        foreach (string line in lines)
        {
            Match from = From().Match(line);
            if (from.Success)
            {
                instructions = [];
                stages.Add(new ContainerImage(from.Groups["base"].Value, from.Groups["name"].Value, instructions));
            }
            else if (stages.Count == 0)
            {
                string[] parts = line["ARG ".Length..].Split('=', 2);
                arguments.Add(parts[0], parts[1]);
            }
            else
            {
                instructions.Add(line);
            }
        }

        return ([.. stages], arguments);
    }

    /// <summary>The arguments of all instructions of a kind, such as <c>COPY</c>.</summary>
    public string[] Of(string kind) => [.. Instructions
        .Where(line => line.StartsWith(kind + " ", StringComparison.Ordinal))
        .Select(line => line[(kind.Length + 1)..])];

    [GeneratedRegex(@"^\s*#.*\n", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continuation();

    [GeneratedRegex(@"^FROM (?<base>\S+) AS (?<name>\S+)$")]
    private static partial Regex From();
}
