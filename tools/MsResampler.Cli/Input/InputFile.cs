using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Input;

/// <summary>An input file. A pipe or a terminal is first copied to a temporary file, because readers need to seek. The
/// temporary file is deleted while it is open, so that it disappears with the process.</summary>
internal sealed class InputFile : IDisposable
{
    private readonly SafeFileHandle? _copy;

    private InputFile(string name, SafeFileHandle? copy)
    {
        Name = name;
        _copy = copy;
        // Opening this path opens the same file again, with its own position.
        ReadablePath = copy is null ? name : $"/dev/fd/{copy.DangerousGetHandle()}";
    }

    /// <summary>The path as given by the user, for messages.</summary>
    public string Name { get; }

    /// <summary>A path that can be opened several times.</summary>
    public string ReadablePath { get; }

    /// <summary>Opens a file. Copies it if it cannot seek.</summary>
    /// <param name="path">The path as given by the user.</param>
    /// <param name="option">The option with the path, for messages.</param>
    /// <exception cref="InputException">The file does not exist, or is a folder.</exception>
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

    /// <summary>Reads a configuration file, without a byte order mark.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static byte[] ReadConfiguration(string path, string option)
    {
        Require(path, option);
        return ConfigReader.ReadBytes(path);
    }

    /// <summary>Opens the file for reading from its start.</summary>
    public FileStream OpenRead() => File.OpenRead(ReadablePath);

    public void Dispose() => _copy?.Dispose();

    /// <summary>Checks that a path names a file.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static void Require(string path, string option)
    {
        if (Directory.Exists(path))
            throw new InputException($"{path}: this is a folder; {option} expects a file");
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
