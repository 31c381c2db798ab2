using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>A file that a command writes. It must not replace an input. If it replaces another file, it keeps the
/// permissions and the owner. It gets its name when it is complete.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly AtomicFile _file;

    /// <exception cref="InputException">The file is an input, or the path is not a file.</exception>
    public OutputFile(string path, Inputs inputs)
    {
        inputs.Check(path);
        FileStatus? replaced = Check(path);
        _file = new AtomicFile(path);
        replaced?.GiveOwnerTo(_file.Handle);
    }

    /// <summary>The content, at the end of what is written so far.</summary>
    public Stream Stream => _file.Stream;

    /// <summary>Checks that a path can be an output file.</summary>
    /// <returns>The status of the existing file; null if there is none or its status is unknown.</returns>
    /// <exception cref="InputException">The path is a device, a named pipe or a socket.</exception>
    public static FileStatus? Check(string path)
    {
        FileStatus? status = FileStatus.Of(path);
        return status is { IsSpecial: true }
            ? throw new InputException($"{path}: this is a device or a pipe; expected a file")
            : status;
    }

    /// <summary>Replaces bytes that were already written.</summary>
    public void Replace(long offset, ReadOnlySpan<byte> bytes)
    {
        Stream.Flush();
        RandomAccess.Write(_file.Handle, bytes, offset);
    }

    /// <summary>Gives the file its name and replaces an existing file.</summary>
    public void Commit(CancellationToken cancellationToken) => _file.Commit(cancellationToken);

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose() => _file.Dispose();
}
