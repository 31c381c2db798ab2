using System.Text.Json;
using System.Text.Json.Serialization;

namespace MsResampler.Perf.Results;

/// <summary>A line of results.jsonl. The script tools/run-on-gpu.sh writes and searches such lines too: the first
/// three properties come in this order.</summary>
/// <param name="Step">The step.</param>
/// <param name="Row">The row within the step; empty for the step itself.</param>
/// <param name="OutcomeName">passed, failed or skipped; a step can also be stopped or not reached.</param>
/// <param name="Text">The result in one line.</param>
/// <param name="Data">All figures, if the text does not have all.</param>
internal sealed record Result(string Step, string Row, [property: JsonPropertyName("outcome")] string OutcomeName,
    string Text, JsonElement? Data)
{
    /// <summary>The results in a folder, in order. A line that a killed process left unfinished is skipped.</summary>
    public static IEnumerable<Result> ReadAll(string folder)
    {
        string path = Path.Combine(folder, ResultLog.FileName);
        if (!File.Exists(path))
            yield break;
        foreach (string line in File.ReadLines(path))
        {
            if (TryParse(line) is { } result)
                yield return result;
        }
    }

    private static Result? TryParse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<Result>(line, ResultLog.Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
