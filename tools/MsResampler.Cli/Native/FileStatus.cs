using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Native;

/// <summary>Facts about a file on Linux that .NET does not report.</summary>
/// <param name="Device">The number of the file system.</param>
/// <param name="Inode">The number of the file, which is the same for all its names.</param>
/// <param name="Owner">The number of the owner.</param>
/// <param name="Group">The number of the group.</param>
/// <param name="Mode">The kind of the file, and its permissions.</param>
internal readonly partial record struct FileStatus(ulong Device, ulong Inode, uint Owner, uint Group, ushort Mode)
{
    private const ushort KindMask = 0xF000;
    private const ushort RegularFile = 0x8000;
    private const ushort Folder = 0x4000;
    private const int CurrentFolder = -100;
    private const uint BasicFields = 0x7FF;

    /// <summary>Whether this is a device, a named pipe or a socket.</summary>
    public bool IsSpecial => (Mode & KindMask) is not (RegularFile or Folder);

    /// <summary>Returns the status of a file; links are followed.</summary>
    /// <returns>The status, or null if the file does not exist or the system is not Linux.</returns>
    public static unsafe FileStatus? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        try
        {
            // struct statx of the kernel, which is the same on every architecture.
            Span<byte> buffer = stackalloc byte[256];
            fixed (byte* status = buffer)
            {
                if (StatX(CurrentFolder, Path.GetFullPath(path), 0, BasicFields, status) != 0)
                    return null;
            }

            uint Word(ReadOnlySpan<byte> bytes, int offset) => MemoryMarshal.Read<uint>(bytes[offset..]);
            return new FileStatus(((ulong)Word(buffer, 136) << 32) | Word(buffer, 140),
                MemoryMarshal.Read<ulong>(buffer[32..]), Word(buffer, 20), Word(buffer, 24),
                MemoryMarshal.Read<ushort>(buffer[28..]));
        }
        catch (EntryPointNotFoundException)
        {
            return null; // the C library is older than 2018
        }
    }

    /// <summary>Sets the owner and group of an open file to these, if the process has the permission.</summary>
    public void GiveOwnerTo(SafeFileHandle file) => _ = ChangeOwner(file, Owner, Group);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint fields, byte* status);

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int ChangeOwner(SafeFileHandle file, uint owner, uint group);
}
