using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace MsResampler.Kernels.Compiler;

/// <summary>Folders that only the user of this process can change, in places where everybody can create
/// folders.</summary>
internal static partial class PrivateFolder
{
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint TypeModeAndOwner = 0x1 | 0x2 | 0x8;
    private const int FileType = 0xf000;
    private const int Folder = 0x4000;

    /// <summary>Creates a folder that only this user can read and write. An existing folder is used only if this user
    /// owns it and nobody else can write to it; a link is not.</summary>
    /// <param name="parent">The place.</param>
    /// <param name="name">The folder's name, to which the number of the user is added.</param>
    /// <param name="path">Receives the path.</param>
    /// <returns>Whether the folder can be used.</returns>
    [UnsupportedOSPlatform("windows")]
    public static bool TryCreate(string parent, string name, out string path)
    {
        path = Path.Combine(parent, name);
        try
        {
            uint user = GetUser();
            path = Path.Combine(parent, string.Create(CultureInfo.InvariantCulture, $"{name}-{user}"));
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return GetStatus(CurrentFolder, path, NoFollow, TypeModeAndOwner, out Status status) == 0
                && (status.Mode & FileType) == Folder
                && ((UnixFileMode)status.Mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) == 0
                && status.Owner == user;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
            or EntryPointNotFoundException or DllNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetUser();

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int GetStatus(int folder, string path, int flags, uint mask, out Status status);

    /// <summary>The part of <c>struct statx</c> that is used; it has the same layout on all architectures.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(20)]
        public uint Owner;

        [FieldOffset(28)]
        public ushort Mode;
    }
}
