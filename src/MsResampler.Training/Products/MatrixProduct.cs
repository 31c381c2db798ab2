namespace MsResampler.Training.Products;

/// <summary>A product <c>C = A·B + bias</c> or <c>C += A·B</c>. Both operands are row-major matrices of the caller,
/// which are read in place or transposed.</summary>
internal readonly unsafe record struct MatrixProduct
{
    private MatrixProduct(float* a, nint aStride, nint aStep, int rowCount, int innerCount, float* b, nint bStride,
        bool isTransposed, int columnCount, float* bias, float* c, nint cStride, bool adds)
    {
        A = (nint)a;
        AStride = aStride;
        AStep = aStep;
        RowCount = rowCount;
        InnerCount = innerCount;
        B = (nint)b;
        BStride = bStride;
        IsTransposed = isTransposed;
        ColumnCount = columnCount;
        Bias = (nint)bias;
        C = (nint)c;
        CStride = cStride;
        Adds = adds;
    }

    /// <summary>Row 0 of A.</summary>
    public nint A { get; }

    /// <summary>Floats between rows of A.</summary>
    public nint AStride { get; }

    /// <summary>Floats between the elements of a row of A.</summary>
    public nint AStep { get; }

    /// <summary>Rows of A and C.</summary>
    public int RowCount { get; }

    /// <summary>Columns of A, rows of B.</summary>
    public int InnerCount { get; }

    /// <summary>B, or its transpose.</summary>
    public nint B { get; }

    /// <summary>Floats between rows of <see cref="B"/> in memory.</summary>
    public nint BStride { get; }

    /// <summary>Whether the rows in memory are columns of B.</summary>
    public bool IsTransposed { get; }

    /// <summary>Columns of B and C.</summary>
    public int ColumnCount { get; }

    /// <summary>The bias, [columns]; 0 for none.</summary>
    public nint Bias { get; }

    /// <summary>Row 0 of C.</summary>
    public nint C { get; }

    /// <summary>Floats between rows of C.</summary>
    public nint CStride { get; }

    /// <summary>Whether the product is added to C.</summary>
    public bool Adds { get; }

    /// <summary>The number of multiply-adds.</summary>
    public long Work => (long)RowCount * InnerCount * ColumnCount;

    /// <summary>A linear layer: <c>Y = X·Wᵀ + b</c>.</summary>
    /// <param name="x">X, [<paramref name="rowCount"/>, <paramref name="inputWidth"/>].</param>
    /// <param name="xStride">Floats between rows of X.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="weight">W, [<paramref name="outputWidth"/>, <paramref name="inputWidth"/>] without gaps.</param>
    /// <param name="bias">b; null for zero.</param>
    /// <param name="inputWidth">Columns of X.</param>
    /// <param name="outputWidth">Columns of Y.</param>
    /// <param name="y">Receives Y.</param>
    /// <param name="yStride">Floats between rows of Y.</param>
    public static MatrixProduct Linear(float* x, nint xStride, int rowCount, float* weight, float* bias,
        int inputWidth, int outputWidth, float* y, nint yStride)
        => new(x, xStride, 1, rowCount, inputWidth, weight, inputWidth, isTransposed: true, outputWidth, bias, y,
            yStride, adds: false);

    /// <summary>The gradient of the input of a linear layer: <c>dX = dY·W</c>, or <c>dX += dY·W</c>.</summary>
    /// <param name="dy">dY, [<paramref name="rowCount"/>, <paramref name="outputWidth"/>].</param>
    /// <param name="dyStride">Floats between rows of dY.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="weight">W, [<paramref name="outputWidth"/>, <paramref name="inputWidth"/>] without gaps.</param>
    /// <param name="inputWidth">Columns of dX.</param>
    /// <param name="outputWidth">Columns of dY.</param>
    /// <param name="dx">Receives dX.</param>
    /// <param name="dxStride">Floats between rows of dX.</param>
    /// <param name="adds">Whether the product is added to dX.</param>
    public static MatrixProduct InputGradient(float* dy, nint dyStride, int rowCount, float* weight, int inputWidth,
        int outputWidth, float* dx, nint dxStride, bool adds)
        => new(dy, dyStride, 1, rowCount, outputWidth, weight, inputWidth, isTransposed: false, inputWidth, null, dx,
            dxStride, adds);

    /// <summary>The gradient of the weight of a linear layer: <c>dW += dYᵀ·X</c>, a sum over the rows of the
    /// batch.</summary>
    /// <param name="dy">dY, [<paramref name="rowCount"/>, <paramref name="outputWidth"/>].</param>
    /// <param name="dyStride">Floats between rows of dY.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="x">X, [<paramref name="rowCount"/>, <paramref name="inputWidth"/>].</param>
    /// <param name="xStride">Floats between rows of X.</param>
    /// <param name="inputWidth">Columns of X.</param>
    /// <param name="outputWidth">Columns of dY.</param>
    /// <param name="weightGradient">dW, [<paramref name="outputWidth"/>, <paramref name="inputWidth"/>] without
    /// gaps.</param>
    public static MatrixProduct WeightGradient(float* dy, nint dyStride, int rowCount, float* x, nint xStride,
        int inputWidth, int outputWidth, float* weightGradient)
        => new(dy, 1, dyStride, outputWidth, rowCount, x, xStride, isTransposed: false, inputWidth, null,
            weightGradient, inputWidth, adds: true);
}
