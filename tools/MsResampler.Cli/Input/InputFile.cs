using Microsoft.Win32.SafeHandles;
using MsResampler.Model;

namespace MsResampler.Cli.Input;

/// <summary>A file to read from. What is no regular file (a pipe, a terminal) is copied to a temporary file first, because
/// readers go back and forth; that file has no name any more once it is open, so that nothing stays whatever ends the
/// process.</summary>
internal sealed class InputFile : IDisposable
{
    private readonly SafeFileHandle? _copy;

    private InputFile(string name, SafeFileHandle? copy)
    {
        Name = name;
        _copy = copy;
        // Opening this opens the same file anew, with a position of its own.
        ReadablePath = copy is null ? name : $"/dev/fd/{copy.DangerousGetHandle()}";
    }

    /// <summary>What the user calls the file, for messages.</summary>
    public string Name { get; }

    /// <summary>What can be opened as often as needed.</summary>
    public string ReadablePath { get; }

    /// <summary>Checks a file and copies it where it can be read only once.</summary>
    /// <param name="path">The path as given.</param>
    /// <param name="option">The option that names it, for messages.</param>
    /// <exception cref="InputException">There is no such file, or it is a folder.</exception>
    public static InputFile Open(string path, string option)
    {
        Require(path, option);
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (stream.CanSeek || OperatingSystem.IsWindows())
            return new InputFile(path, null);
        string temporaryPath = Path.GetTempFileName();
        SafeFileHandle copy;
        try
        {
            copy = File.OpenHandle(temporaryPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        finally
        {
            File.Delete(temporaryPath);
        }

        try
        {
            Copy(stream, copy);
        }
        catch
        {
            copy.Dispose();
            throw;
        }

        return new InputFile(path, copy);
    }

    /// <summary>Reads a configuration, without the byte order mark that it may begin with.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static byte[] ReadConfiguration(string path, string option)
    {
        Require(path, option);
        return ConfigReader.ReadBytes(path);
    }

    /// <summary>Opens the file for reading from its start.</summary>
    public FileStream OpenRead() => File.OpenRead(ReadablePath);

    public void Dispose() => _copy?.Dispose();

    private static void Require(string path, string option)
    {
        if (Directory.Exists(path))
            throw new InputException($"{path}: this is a folder; {option} names a file");
        if (!File.Exists(path))
            throw new InputException($"{path}: there is no such file");
    }

    private static void Copy(FileStream from, SafeFileHandle to)
    {
        byte[] buffer = new byte[1 << 16];
        long length = 0;
        for (int count; (count = from.Read(buffer)) > 0; length += count)
            RandomAccess.Write(to, buffer.AsSpan(0, count), length);
    }
}
