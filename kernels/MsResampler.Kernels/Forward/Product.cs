using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Gemm.Warpgroup;

namespace MsResampler.Kernels.Forward;

/// <summary>Matrix products C = A·Wᵀ + bias of one size, one launch. All sizes and strides count elements of their
/// matrix.</summary>
internal sealed record Product
{
    /// <summary>The number of products. The bias of each follows that of the one before.</summary>
    public int Count { get; init; } = 1;

    /// <summary>[rows, inner].</summary>
    public required DeviceView A { get; init; }

    /// <summary>From one row of A to the next.</summary>
    public required int AStride { get; init; }

    /// <summary>From the A of one product to that of the next.</summary>
    public int ABatchStride { get; init; }

    /// <summary>W, [columns, inner], and the bias, [columns] in float32.</summary>
    public required DeviceLinear Layer { get; init; }

    /// <summary>From one row of W to the next; by default <see cref="InnerSize"/>.</summary>
    public int WStride { get => field == 0 ? InnerSize : field; init; }

    /// <summary>From the W of one product to that of the next; by default all of W.</summary>
    public int WBatchStride { get => field == 0 ? checked(ColumnCount * WStride) : field; init; }

    /// <summary>[rows, columns], or transposed in quads of columns.</summary>
    public required DeviceView C { get; init; }

    /// <summary>From one row of C to the next.</summary>
    public required int CRowStride { get; init; }

    /// <summary>From four columns of C to the next four.</summary>
    public int CColumnStride { get; init; } = 4;

    /// <summary>From the C of one product to that of the next.</summary>
    public int CBatchStride { get; init; }

    public required int RowCount { get; init; }

    /// <summary>A multiple of 4.</summary>
    public required int ColumnCount { get; init; }

    /// <summary>The length of a row of A and W, a multiple of 16 bytes.</summary>
    public required int InnerSize { get; init; }

    /// <summary>The size of an element of A and W in bytes.</summary>
    public int ElementBytes { get; init; } = sizeof(float);

    /// <summary>The size of an element of C in bytes.</summary>
    public int OutputBytes { get; init; } = sizeof(float);

    /// <summary>Receives the lowest row with a NaN (<see cref="OverflowNote"/>); empty if it is not wanted.</summary>
    public DeviceView Note { get; init; }

    /// <summary>The number that the note uses for row 0.</summary>
    public int FirstNoted { get; init; }

    /// <summary>Elements of this magnitude and above become NaN; by default infinity.</summary>
    public float Limit { get; init; } = float.PositiveInfinity;

    /// <summary>Whether the exact GELU is applied.</summary>
    public bool HasGelu { get; init; }

    /// <summary>Sums of squares that are stored beside C, or that A's rows are scaled by.</summary>
    public RowScale Scale { get; init; }

    /// <summary>A table that is added to C.</summary>
    public RowTable Table { get; init; }

    /// <summary>The extents.</summary>
    public ProductExtent Extent => new(Count, RowCount, ColumnCount, InnerSize);

    /// <summary>Adds the arguments of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/>.</summary>
    public void AddMmaArguments(ref KernelArguments arguments)
    {
        arguments.Add(A, Layer.Weight, Layer.Bias, C, Scale.Squares, Scale.Units, Table.Rows, Table.Starts, Note);
        arguments.Add(Layout);
        arguments.Add(new GemmScaling
        {
            SquareStride = Scale.Stride,
            SquareCount = Scale.Count,
            Width = Scale.Width,
            TableQuads = Table.Width / 4,
            RootEpsilon = Scale.RootEpsilon,
        });
    }

    /// <summary>Adds the arguments of <see cref="GemmWgmma{TTile, TElement, TEpilogue, TOutput}"/>.</summary>
    public void AddWgmmaArguments(ref KernelArguments arguments)
    {
        AddMmaArguments(ref arguments);
        arguments.Add(Count);
    }

    /// <summary>Adds the arguments of <see cref="GemmTiled{TTile, TEpilogue}"/>.</summary>
    public void AddTiledArguments(ref KernelArguments arguments)
    {
        arguments.Add(A, Layer.Weight, Layer.Bias, C, Note);
        arguments.Add(Layout);
    }

    /// <summary>Counts the work of the products.</summary>
    public StepWork Work()
    {
        double weights = (double)Count * ColumnCount * InnerSize * ElementBytes;
        double bias = (double)Count * ColumnCount * sizeof(float);
        double squares = (double)RowCount * Scale.Count * sizeof(float);
        return new StepWork(Extent.Flops, weights + bias + Table.Bytes,
            ((double)Count * RowCount * InnerSize * ElementBytes) + (Scale.IsStored ? 0 : squares),
            ((double)Count * RowCount * ColumnCount * OutputBytes) + (Scale.IsStored ? squares : 0))
        {
            Product = Extent,
            HasProducts = true,
        };
    }

    private GemmLayout Layout => new()
    {
        RowCount = RowCount,
        ColumnQuads = ColumnCount / 4,
        InnerVectors = Vectors(InnerSize),
        AStride = Vectors(AStride),
        WStride = Vectors(WStride),
        CRowStride = CRowStride / 4,
        CColumnStride = CColumnStride / 4,
        ABatchStride = Vectors(ABatchStride),
        WBatchStride = Vectors(WBatchStride),
        BiasBatchStride = ColumnCount / 4,
        CBatchStride = CBatchStride / 4,
        FirstNoted = FirstNoted,
        Limit = Limit,
    };

    private int Vectors(int elements) => DeviceVector.Count(elements, ElementBytes);
}
