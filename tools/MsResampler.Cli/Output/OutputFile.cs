using MsResampler.Cli.Native;
using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>A file that a command writes: it replaces no input, keeps permissions and owner of a file that it
/// replaces, and is there once it is whole.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly AtomicFile _file;

    /// <exception cref="InputException">The file is an input, or something else than a file.</exception>
    public OutputFile(string path, Inputs inputs)
    {
        inputs.Check(path);
        FileStatus? replaced = Check(path);
        _file = new AtomicFile(path);
        replaced?.GiveOwnerTo(_file.Handle);
    }

    /// <summary>What is written so far.</summary>
    public Stream Stream => _file.Stream;

    /// <summary>Checks that a path can be a file's.</summary>
    /// <returns>The status of the file that is there; null where there is none, or it is unknown.</returns>
    /// <exception cref="InputException">It is a device, a named pipe or a socket.</exception>
    public static FileStatus? Check(string path)
    {
        FileStatus? status = FileStatus.Of(path);
        return status is { IsSpecial: true }
            ? throw new InputException($"{path}: this is a device or a pipe; name a file")
            : status;
    }

    /// <summary>Gives the file its name, replacing what had it.</summary>
    public void Commit(CancellationToken cancellationToken) => _file.Commit(cancellationToken);

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose() => _file.Dispose();
}
