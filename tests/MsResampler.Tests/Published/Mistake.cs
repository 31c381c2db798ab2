namespace MsResampler.Tests.Published;

/// <summary>The usual mistakes of an implementation of a published resampler.</summary>
internal enum Mistake
{
    /// <summary>No mistake.</summary>
    None,

    /// <summary>Queries add sines at their places on the grid of the image, in place of the stored table.</summary>
    QuerySinesOnGrid,

    /// <summary>Queries add no positions.</summary>
    NoQueryPositions,

    /// <summary>The language model's number of heads.</summary>
    HeadCountOfConfig,

    /// <summary><c>x @ proj.T</c> in place of <c>x @ proj</c>.</summary>
    TransposedProjection,

    /// <summary>Positions on values in place of keys.</summary>
    PositionsOnValues,

    /// <summary>No embedding of the time of frames.</summary>
    NoTime,

    /// <summary>A softmax for each frame, and the mean of the results.</summary>
    SoftmaxPerFrame,

    /// <summary>Rows before columns in the sines.</summary>
    RowsFirst,
}
