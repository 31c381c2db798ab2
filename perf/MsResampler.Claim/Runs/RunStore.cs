using System.Text.Json;
using MsResampler.Files;

namespace MsResampler.Claim.Runs;

/// <summary>A folder with one file per finished run. A file is complete or absent, also after the process was
/// killed.</summary>
internal sealed class RunStore
{
    /// <summary>The format of all files of an experiment.</summary>
    public static JsonSerializerOptions Format { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = true,
    };

    private readonly string _folder;

    public RunStore(string folder)
    {
        Directory.CreateDirectory(folder);
        _folder = folder;
    }

    /// <summary>The result of a run, or null if it has not finished.</summary>
    /// <exception cref="InvalidDataException">The file is not a result.</exception>
    public RunResult? Find(string name)
    {
        string path = PathOf(name);
        if (!File.Exists(path))
            return null;
        try
        {
            return JsonSerializer.Deserialize<RunResult>(File.ReadAllBytes(path), Format)
                ?? throw new JsonException("expected an object, found null");
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException($"{path}: expected the result of a run ({problem.Message}). Delete the " +
                "file to repeat the run.", problem);
        }
    }

    public void Save(string name, RunResult result)
    {
        using AtomicFile file = new(PathOf(name));
        JsonSerializer.Serialize(file.Stream, result, Format);
        file.Commit(default);
    }

    /// <summary>Takes a run for this process; null if another process has it. The operating system releases it when the
    /// process ends.</summary>
    public IDisposable? TryTake(string name)
    {
        try
        {
            return new FileStream(PathOf(name) + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None,
                1, FileOptions.DeleteOnClose);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string PathOf(string name) => Path.Combine(_folder, name + ".json");
}
