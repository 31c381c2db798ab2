using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Attention;

/// <summary>A group of several frames whose attention <see cref="MergeFrames{TVector, TRow}"/> merges. A partial row is
/// the result of one query in one frame.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MergedGroup
{
    /// <summary>The output row of the group's first token.</summary>
    public int FirstToken;

    /// <summary>The first partial row of the group's first frame; the rows of its frames follow one another.</summary>
    public int FirstPart;

    /// <summary>Frames of the group.</summary>
    public int FrameCount;

    /// <summary>The index of the group's first frame in the list of the frames' offsets.</summary>
    public int FirstFrame;
}
