namespace MsResampler.Training.Attention;

/// <summary>The operands of one head of one scope for one frame. Pointers are to the first channel of the head; d
/// floats of each row are read or written, and no others.</summary>
/// <remarks>Attention reads keys and values once per tile of queries. Rows that are a multiple of 4 KiB apart compete
/// for the same lines of a cache, so a layout with the rows of a head next to each other is the fastest.</remarks>
/// <param name="Geometry">The windows of the scope on the grid of the frame.</param>
/// <param name="Queries">Projected queries on the grid of the frame, [M, d], without the factor 1/√d, in rows of
/// <paramref name="QueryStride"/> floats.</param>
/// <param name="QueryStride">Floats between rows of queries and of their gradients.</param>
/// <param name="Keys">Projected keys, [H·W, d] in rows of <paramref name="KeyStride"/> floats.</param>
/// <param name="Values">Projected values, like the keys.</param>
/// <param name="KeyStride">Floats between rows of keys, values and their gradients.</param>
internal readonly unsafe record struct HeadFrame(FrameGeometry Geometry, nint Queries, int QueryStride, nint Keys,
    nint Values, int KeyStride)
{
    /// <summary>Receives the gradient of the queries, like them. It is overwritten. 0 if it is not needed.</summary>
    public nint QueryGradients { get; init; }

    /// <summary>The gradient of the keys, which is added to. 0 if it is not needed.</summary>
    public nint KeyGradients { get; init; }

    /// <summary>The gradient of the values, which is added to. 0 if it is not needed.</summary>
    public nint ValueGradients { get; init; }
}
