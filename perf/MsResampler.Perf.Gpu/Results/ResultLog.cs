using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MsResampler.Perf.Results;

/// <summary>The results of one step of the GPU bundle. Each is written at once, as a line of results.jsonl and a row of
/// results.md, so that a process that is killed loses none. Members may be called from several threads.</summary>
internal sealed class ResultLog
{
    /// <summary>The file with one JSON object per line.</summary>
    public const string FileName = "results.jsonl";

    private const string TableName = "results.md";

    private readonly string _folder;
    private readonly string _step;
    private readonly HashSet<string> _rows;
    private readonly HashSet<string> _rowsOfOthers;
    private readonly Lock _lock = new();

    /// <param name="folder">The folder of the results.</param>
    /// <param name="step">The step.</param>
    public ResultLog(string folder, string step)
    {
        _folder = folder;
        _step = step;
        ILookup<bool, string> rows = Result.ReadAll(folder)
            .ToLookup(result => result.Step == step, result => result.Row);
        _rows = [.. rows[true]];
        _rowsOfOthers = [.. rows[false]];
    }

    /// <summary>The numbers may be NaN, and names and messages stay readable.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Whether an earlier process, or this one, has written a row.</summary>
    public bool Contains(string row)
    {
        lock (_lock)
            return _rows.Contains(row);
    }

    /// <summary>Whether an earlier process, or this one, has written a row in any step.</summary>
    public bool ContainsInAnyStep(string row) => Contains(row) || _rowsOfOthers.Contains(row);

    /// <summary>Writes a row.</summary>
    /// <param name="row">Its name within the step.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="text">The result in one line.</param>
    /// <param name="data">All figures; null if the text has all.</param>
    public void Add(string row, Outcome outcome, string text, object? data = null)
    {
        string line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Result result = new(_step, row, outcome.ToString().ToLowerInvariant(), line,
            data is null ? null : JsonSerializer.SerializeToElement(data, Json));
        lock (_lock)
        {
            _rows.Add(row);
            Append(FileName, JsonSerializer.Serialize(result, Json));
            Append(TableName, $"| {_step} | {Cell(row)} | {result.OutcomeName} | {Cell(line)} |");
        }

        Console.WriteLine($"{row}: {result.OutcomeName}: {line}");
    }

    private static string Cell(string text) => text.Replace('|', '/');

    private void Append(string name, string line)
    {
        // One write, so that lines of two processes do not mix.
        using FileStream file = new(Path.Combine(_folder, name), FileMode.Append, FileAccess.Write,
            FileShare.ReadWrite);
        file.Write(Encoding.UTF8.GetBytes(line + "\n"));
        file.Flush(flushToDisk: true);
    }
}
