using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>A folder that a command writes to. If the command does not succeed, the new files and folders are removed
/// again.</summary>
internal sealed class OutputFolder : IDisposable
{
    private readonly Inputs _inputs;
    private readonly List<string> _newFolders = [];
    private readonly List<string> _newFiles = [];
    private bool _isCommitted;

    /// <summary>Creates the folder and its parents if they do not exist.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option with the path, for error messages.</param>
    /// <param name="inputs">The files that must not be replaced.</param>
    /// <exception cref="InputException">The path is a file, or the folder cannot be created.</exception>
    public OutputFolder(string path, string option, Inputs inputs)
    {
        Path = path;
        _inputs = inputs;
        if (File.Exists(path))
            throw new InputException($"{path}: this is a file; {option} expects a folder");
        try
        {
            Create(new DirectoryInfo(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Dispose();
            throw new InputException($"{path}: the folder cannot be created: {exception.Message}", exception);
        }
    }

    /// <summary>The folder, as given.</summary>
    public string Path { get; }

    /// <summary>Writes a file.</summary>
    /// <returns>The path of the file.</returns>
    public string Write(string name, ReadOnlySpan<byte> content, CancellationToken cancellationToken)
    {
        string path = System.IO.Path.Combine(Path, name);
        AddNew(path);
        using OutputFile file = new(path, _inputs);
        file.Stream.Write(content);
        file.Commit(cancellationToken);
        return path;
    }

    /// <summary>Registers a file that will be written. If it does not exist yet, it is removed together with the folder
    /// when the command fails.</summary>
    public void AddNew(string path)
    {
        if (File.Exists(path))
            return;
        _newFiles.Add(path);
        Unfinished.AddFile(path);
    }

    /// <summary>Keeps the files and folders.</summary>
    public void Commit()
    {
        _isCommitted = true;
        Unfinished.Change(() =>
        {
            foreach (string path in _newFiles.Concat(_newFolders))
                Unfinished.Remove(path);
        });
    }

    /// <summary>Removes the new files and folders unless they were committed.</summary>
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
