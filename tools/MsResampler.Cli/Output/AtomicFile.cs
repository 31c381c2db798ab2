namespace MsResampler.Cli.Output;

/// <summary>A file that exists under its name only once it is whole: written beside it, renamed at the end,
/// removed where the end is never reached.</summary>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _path;
    private readonly string _temporaryPath;
    private bool _isCommitted;

    /// <exception cref="InputException">The folder is missing, or the name is a folder's.</exception>
    public AtomicFile(string path)
    {
        _path = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(_path)
            ?? throw new InputException($"{path}: this is a folder; name a file");
        if (Directory.Exists(_path))
            throw new InputException($"{path}: this is a folder; name a file in it");
        if (!Directory.Exists(folder))
            throw new InputException($"{path}: the folder {folder} does not exist");
        _temporaryPath = Path.Combine(folder, $".{Path.GetFileName(_path)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Stream = new FileStream(_temporaryPath, FileMode.CreateNew, FileAccess.Write);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new InputException($"{path}: the folder {folder} cannot be written to", exception);
        }
    }

    /// <summary>What is written so far.</summary>
    public FileStream Stream { get; }

    /// <summary>Writes a whole file.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        using AtomicFile file = new(path);
        file.Stream.Write(content);
        file.Commit();
    }

    /// <summary>Gives the file its name, replacing what had it.</summary>
    public void Commit()
    {
        Stream.Dispose();
        File.Move(_temporaryPath, _path, overwrite: true);
        _isCommitted = true;
    }

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose()
    {
        Stream.Dispose();
        if (!_isCommitted)
            File.Delete(_temporaryPath);
    }
}
