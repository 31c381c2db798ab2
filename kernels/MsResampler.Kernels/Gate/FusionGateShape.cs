using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Gate;

/// <summary>The extents of the gate and the fusion. A vector is 16 bytes: four elements of 32 bits or eight of 16
/// bits.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FusionGateShape
{
    /// <summary>Tokens.</summary>
    public int TokenCount;

    /// <summary>Vectors of four floats in the hidden layer; elements beyond its size are 0.</summary>
    public int HiddenVectors;

    /// <summary>Scopes, S.</summary>
    public int ScopeCount;

    /// <summary>Gate groups, R: groups of channels that share their weights.</summary>
    public int GateGroupCount;

    /// <summary>Channels, D.</summary>
    public int Width;

    /// <summary>Vectors from one scope's branch to the next, and from one fused token to the next.</summary>
    public int Stride;

    /// <summary>√ε.</summary>
    public float RootEpsilon;
}
