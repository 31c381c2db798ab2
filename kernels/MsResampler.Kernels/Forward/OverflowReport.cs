using System.Runtime.InteropServices;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Forward;

/// <summary>Reports tokens that are NaN because a number was outside the range of the precision. Passes whose tokens go
/// to the host note it in their workspace; all others share a note.</summary>
internal sealed class OverflowReport : IDisposable
{
    /// <summary>The size of a note: one integer, in a vector of its own.</summary>
    public const int NoteBytes = DeviceVector.Bytes;

    private readonly Precision _precision;
    private readonly int _queryCount;
    private readonly IDeviceMemory _shared;

    /// <param name="device">The device.</param>
    /// <param name="stream">Clears the shared note; done when the stream's work is done.</param>
    /// <param name="precision">The model's precision, for messages.</param>
    /// <param name="queryCount">Tokens of an image.</param>
    public OverflowReport(IDevice device, IDeviceStream stream, Precision precision, int queryCount)
    {
        _precision = precision;
        _queryCount = queryCount;
        _shared = device.Allocate(NoteBytes);
        try
        {
            stream.Clear(_shared.Address, NoteBytes);
        }
        catch
        {
            _shared.Dispose();
            throw;
        }
    }

    /// <summary>The note of a pass.</summary>
    public DeviceView NoteOf(Batch batch, TokenTarget target)
        => target == TokenTarget.Host ? batch[Activation.Note] : DeviceView.Of(_shared);

    /// <summary>Reports and clears an overflow in a batch whose tokens were downloaded.</summary>
    /// <param name="workspace">The workspace of the batch.</param>
    /// <param name="groups">The groups of the batch.</param>
    /// <param name="firstGroup">The index of the first one in the call.</param>
    /// <exception cref="ActivationOverflowException">There was one.</exception>
    public void ThrowIfAny(Workspace workspace, FrameGroups groups, int firstGroup)
    {
        Span<int> found = stackalloc int[NoteBytes / sizeof(int)];
        workspace.Download(Activation.Note, MemoryMarshal.AsBytes(found));
        if (found[0] == 0)
            return;
        Clear(workspace.Batch[Activation.Note], workspace.Stream);
        int group = OverflowNote.RowOf(found[0]) / _queryCount;
        throw ExceptionFor(groups.Describe(group, firstGroup + group), firstGroup + group, groups.GridsOf(group)[0]);
    }

    /// <summary>Reports and clears an overflow in passes whose tokens went to the device. All of them must be
    /// done.</summary>
    /// <exception cref="ActivationOverflowException">There was one.</exception>
    public void ThrowIfAnyShared(IDeviceStream stream)
    {
        Span<int> found = stackalloc int[NoteBytes / sizeof(int)];
        stream.Download(_shared, MemoryMarshal.AsBytes(found));
        if (found[0] == 0)
            return;
        Clear(DeviceView.Of(_shared), stream);
        int group = OverflowNote.RowOf(found[0]) / _queryCount;
        throw ExceptionFor($"image or group {group} of a call since the last check", group, default);
    }

    public void Dispose() => _shared.Dispose();

    private static void Clear(DeviceView note, IDeviceStream stream)
    {
        stream.Clear(note.Address, NoteBytes);
        // Before work of another stream can note the next overflow.
        stream.Synchronize();
    }

    private ActivationOverflowException ExceptionFor(string group, int index, PatchGrid grid)
    {
        string message = $"{group}: {ActivationOverflowException.Describe(_precision)}";
        return _precision == Precision.Float16 ? new Float16OverflowException(message, index, grid)
            : new ActivationOverflowException(message, _precision, index, grid);
    }
}
