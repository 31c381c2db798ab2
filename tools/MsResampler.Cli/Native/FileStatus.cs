using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Native;

/// <summary>What Linux knows of a file and .NET does not say.</summary>
/// <param name="Device">The file system.</param>
/// <param name="Inode">The file, whatever its names.</param>
/// <param name="Owner">The owner's number.</param>
/// <param name="Group">The group's number.</param>
/// <param name="Mode">Kind and permissions.</param>
internal readonly partial record struct FileStatus(ulong Device, ulong Inode, uint Owner, uint Group, ushort Mode)
{
    private const ushort KindMask = 0xF000;
    private const ushort RegularFile = 0x8000;
    private const ushort Folder = 0x4000;
    private const int CurrentFolder = -100;
    private const uint BasicFields = 0x7FF;

    /// <summary>Whether this is neither a file nor a folder: a device, a named pipe or a socket.</summary>
    public bool IsSpecial => (Mode & KindMask) is not (RegularFile or Folder);

    /// <summary>The status of the file that a path means, links followed.</summary>
    /// <returns>Null where there is no such file, or the system is not Linux.</returns>
    public static unsafe FileStatus? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        try
        {
            // The kernel's structure, the same on every architecture.
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
            return null; // a C library from before 2018
        }
    }

    /// <summary>Gives an open file this owner and group, where this process may.</summary>
    public void GiveOwnerTo(SafeFileHandle file) => _ = ChangeOwner(file, Owner, Group);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint fields, byte* status);

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int ChangeOwner(SafeFileHandle file, uint owner, uint group);
}
