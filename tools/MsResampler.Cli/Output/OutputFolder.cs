using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>A folder that a command writes to. Where the command does not come to its end, what it made goes again:
/// the files that were not there before, and the folders.</summary>
internal sealed class OutputFolder : IDisposable
{
    private readonly Inputs _inputs;
    private readonly List<string> _newFolders = [];
    private readonly List<string> _newFiles = [];
    private bool _isCommitted;

    /// <summary>Creates the folder where it is missing, and the folders above it.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that names it, for errors.</param>
    /// <param name="inputs">What may not be replaced.</param>
    /// <exception cref="InputException">A file has the name.</exception>
    public OutputFolder(string path, string option, Inputs inputs)
    {
        Path = path;
        _inputs = inputs;
        if (File.Exists(path))
            throw new InputException($"{path}: this is a file; {option} names a folder");
        try
        {
            Create(new DirectoryInfo(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Dispose();
            throw new InputException($"{path}: the folder cannot be made: {exception.Message}", exception);
        }
    }

    /// <summary>The folder as it was given.</summary>
    public string Path { get; }

    /// <summary>Writes a whole file.</summary>
    /// <returns>Its path.</returns>
    public string Write(string name, ReadOnlySpan<byte> content, CancellationToken cancellationToken)
    {
        string path = System.IO.Path.Combine(Path, name);
        AddNew(path);
        using OutputFile file = new(path, _inputs);
        file.Stream.Write(content);
        file.Commit(cancellationToken);
        return path;
    }

    /// <summary>Notes a file that will be written: it goes with the folder if it is not there yet.</summary>
    public void AddNew(string path)
    {
        if (File.Exists(path))
            return;
        _newFiles.Add(path);
        Unfinished.AddFile(path);
    }

    /// <summary>Keeps what was written.</summary>
    public void Commit()
    {
        _isCommitted = true;
        Unfinished.Change(() =>
        {
            foreach (string path in _newFiles.Concat(_newFolders))
                Unfinished.Remove(path);
        });
    }

    /// <summary>Removes what was made unless it was committed.</summary>
    public void Dispose()
    {
        if (_isCommitted)
            return;
        Unfinished.Change(() =>
        {
            foreach (string path in _newFiles)
            {
                Unfinished.TryDelete(path);
                Unfinished.Remove(path);
            }

            foreach (string path in Enumerable.Reverse(_newFolders))
            {
                Unfinished.TryDeleteFolder(path);
                Unfinished.Remove(path);
            }
        });
    }

    private void Create(DirectoryInfo folder)
    {
        if (folder.Exists)
            return;
        if (folder.Parent is { } parent)
            Create(parent);
        Unfinished.Change(() =>
        {
            folder.Create();
            _newFolders.Add(folder.FullName);
            Unfinished.AddFolder(folder.FullName);
        });
    }
}
