namespace MsResampler.Kernels.Engine;

/// <summary>Products C = A·Wᵀ + bias of one size. Sizes and strides count groups of four floats unless they count rows.
/// </summary>
internal readonly record struct Product
{
    /// <summary>How many products; W and bias of one follow those of the other.</summary>
    public int Count { get; init; } = 1;

    public required DeviceView A { get; init; }

    public required int AStride { get; init; }

    /// <summary>From one product's A to the next's.</summary>
    public int ABatchStride { get; init; }

    /// <summary>[4·columns, inner].</summary>
    public required DeviceView Weight { get; init; }

    public required DeviceView Bias { get; init; }

    public required DeviceView C { get; init; }

    public required int CRowStride { get; init; }

    /// <summary>From one group of four columns to the next.</summary>
    public int CColumnStride { get; init; } = 1;

    /// <summary>From one product's C to the next's.</summary>
    public int CBatchStride { get; init; }

    public required int RowCount { get; init; }

    public required int ColumnVectors { get; init; }

    public required int InnerVectors { get; init; }

    /// <summary>Whether the exact GELU is applied.</summary>
    public bool HasGelu { get; init; }

    public Product()
    {
    }
}
