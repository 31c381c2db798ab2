using MsResampler.Kernels.Device;
namespace MsResampler.Kernels.Forward;

/// <summary>Products C = A·Wᵀ + bias of one size. Sizes and strides of A and W count groups of 16 bytes, those of C and the
/// bias groups of four elements, unless they count rows.</summary>
internal readonly record struct Product
{
    /// <summary>How many products; the bias of one follows that of the other.</summary>
    public int Count { get; init; } = 1;

    public required DeviceView A { get; init; }

    public required int AStride { get; init; }

    /// <summary>From one product's A to the next's.</summary>
    public int ABatchStride { get; init; }

    /// <summary>[4·columns, inner].</summary>
    public required DeviceView Weight { get; init; }

    /// <summary>From one row of W to the next; <see cref="InnerVectors"/> if not said.</summary>
    public int WStride { get => field == 0 ? InnerVectors : field; init; }

    /// <summary>From one product's W to the next's; a whole W if not said.</summary>
    public int WBatchStride { get => field == 0 ? checked(4 * ColumnVectors * WStride) : field; init; }

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

    /// <summary>Receives the lowest row with a NaN; empty if none is wanted.</summary>
    public DeviceView Note { get; init; }

    /// <summary>What the note calls row 0.</summary>
    public int FirstNoted { get; init; }

    /// <summary>Elements of this magnitude and above become NaN; infinity by default.</summary>
    public float Limit { get => field == 0 ? float.PositiveInfinity : field; init; }

    /// <summary>Whether the exact GELU is applied.</summary>
    public bool HasGelu { get; init; }

    public Product()
    {
    }

    /// <summary>Adds the arguments of <see cref="Gemm.GemmMma{TTile, TElement, TEpilogue, TOutput}"/>.</summary>
    /// <param name="arguments">Receives them.</param>
    /// <param name="scale">Where rows' sums of squares go, or what scales rows.</param>
    /// <param name="table">What is added to rows.</param>
    public void AddTo(ref KernelArguments arguments, in RowScale scale, in RowTable table)
    {
        arguments.Add(A, Weight, Bias, C, scale.Squares, scale.Units, table.Table, table.Starts, Note);
        arguments.Add(RowCount, ColumnVectors, InnerVectors, AStride, WStride, CRowStride, CColumnStride, ABatchStride,
            WBatchStride, ColumnVectors, CBatchStride, scale.Stride, scale.Count, scale.Width, table.Vectors, FirstNoted);
        arguments.Add(scale.RootEpsilon);
        arguments.Add(Limit);
    }
}
