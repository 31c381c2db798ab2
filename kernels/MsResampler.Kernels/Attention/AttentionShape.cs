using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Attention;

/// <summary>The extents of a model that attention kernels need.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionShape
{
    /// <summary>Scopes.</summary>
    public int ScopeCount;

    /// <summary>Scopes with keys and values of their own: 1 if all scopes share them.</summary>
    public int KeyScopeCount;

    /// <summary>Heads.</summary>
    public int HeadCount;

    /// <summary>Vectors of 16 bytes in a head: 4 channels of 32 bits or 8 of 16 bits each. The last vector is filled up
    /// with zeros.</summary>
    public int HeadVectors;

    /// <summary>Columns of the query grid.</summary>
    public int QueryColumns;
}
