using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tiles;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The types of a tensor-core product, and a run of it on the emulator.</summary>
internal sealed class GemmMmaCase
{
    /// <summary>Fills memory that must not be read or written: NaN in all types.</summary>
    private const byte Forbidden = 0xFF;

    private const long MemoryBytes = 1L << 26;

    private static readonly DeviceProperties s_ampere = new("emulator", 80, 4, MemoryBytes, 48 << 10);

    private static readonly DeviceProperties s_hopper = new("emulator", 90, 4, MemoryBytes, 227 << 10, IsHopper: true);

    private static readonly ConcurrentDictionary<string, PtxModule> s_modules = [];

    private readonly Type _input;
    private readonly Type _output;
    private readonly int _inputBytes;
    private readonly int _outputBytes;
    private readonly Func<GemmShape, GemmMmaFinish, KernelVariant> _kernel;

    private GemmMmaCase(Type input, int inputBytes, Type output, int outputBytes,
        Func<GemmShape, GemmMmaFinish, KernelVariant> kernel)
    {
        _input = input;
        _inputBytes = inputBytes;
        _output = output;
        _outputBytes = outputBytes;
        _kernel = kernel;
    }

    public static GemmMmaCase HalfToHalf { get; } = Of<MmaFloat16, GemmMmaFloat16>();

    public static GemmMmaCase HalfToSingle { get; } = Of<MmaFloat16, GemmMmaFloat32>();

    public static IReadOnlyList<GemmMmaCase> All { get; } =
    [
        HalfToHalf, HalfToSingle, Of<MmaBFloat16, GemmMmaBFloat16>(), Of<MmaBFloat16, GemmMmaFloat32>(),
        Of<MmaTensorFloat32, GemmMmaFloat32>(),
    ];

    /// <summary>One case for each type of A and W.</summary>
    public static IReadOnlyList<GemmMmaCase> OnePerElement { get; } = [HalfToHalf, All[2], All[4]];

    /// <summary>The unit roundoff of the type of C.</summary>
    public double OutputRoundoff => Math.ScaleB(1, _output == typeof(GemmMmaFloat16) ? -11
        : _output == typeof(GemmMmaBFloat16) ? -8 : -24);

    /// <summary>The number of elements along k per matrix instruction.</summary>
    public int StepElements => 32 / _inputBytes;

    /// <summary>The products that a matrix instruction adds at once where sums are truncated: all of wgmma, half of
    /// mma.sync.</summary>
    public int GroupElements(GemmFamily family) => family == GemmFamily.Wgmma ? StepElements : StepElements / 2;

    /// <summary>An element of A or W, rounded to the precision of tensor cores.</summary>
    public float Round(float value) => _input == typeof(MmaFloat16) ? (float)(Half)value
        : RoundTo(value, droppedBits: _input == typeof(MmaBFloat16) ? 16 : 13);

    public KernelVariant KernelFor(GemmShape shape, GemmMmaFinish finish = GemmMmaFinish.Linear)
        => _kernel(shape, finish);

    /// <summary>Runs products.</summary>
    /// <param name="shape">The shape of the tile.</param>
    /// <param name="a">A, [products, rows, inner].</param>
    /// <param name="w">W, [products, columns, inner]; rounded here, as when a model is loaded.</param>
    /// <param name="bias">[products, columns].</param>
    /// <param name="size">The extents.</param>
    /// <param name="finish">The epilogue.</param>
    /// <param name="scales">The inputs of a scaled epilogue; null for another one.</param>
    /// <param name="run">How the products are stored and launched.</param>
    public GemmMmaResult Run(GemmShape shape, float[] a, float[] w, float[] bias, GemmMmaSize size,
        GemmMmaFinish finish = GemmMmaFinish.Linear, GemmMmaScales? scales = null, GemmMmaRun? run = null)
    {
        run ??= new GemmMmaRun();
        DeviceProperties device = shape.Family == GemmFamily.Wgmma ? s_hopper : s_ampere;
        CompiledKernel kernel = KernelFor(shape, finish).Compile(EmulatorHost.Compiler, device.Target);
        using EmulatedGpu gpu = new(run.Arithmetic with { Seed = run.Seed, MemoryBytes = MemoryBytes });
        // The elements that pad a quad are zero; the memory between rows is NaN.
        int quads = (size.Columns + 3) / 4;
        int chunks = ((size.Inner * _inputBytes) + 15) / 16;
        int inputStride = run.IsAligned ? (chunks + 1) / 2 * 2 : chunks + 1;
        int rowQuads = run.IsAligned ? (quads + 3) / 4 * 4 : quads + 1;
        (int aStride, int aBatch) = Strides(run.Layout.HasFlag(GemmMmaLayout.BesideA), size.Rows, inputStride);
        (int wStride, int wBatch) = Strides(run.Layout.HasFlag(GemmMmaLayout.BesideW), 4 * quads, inputStride);
        (int rowStride, int cBatch) = Strides(run.Layout.HasFlag(GemmMmaLayout.BesideC), size.Rows, rowQuads);
        int columnStride = 1;
        if (run.Layout.HasFlag(GemmMmaLayout.SharedW))
            wBatch = 0;
        if (run.Layout.HasFlag(GemmMmaLayout.ColumnMajorC))
            (rowStride, columnStride) = (1, size.Rows);
        int biasQuads = run.IsAligned ? quads : quads + 1;
        int squareStride = run.IsAligned ? (size.Rows + 7) / 8 * 8 : size.Rows;
        byte[] c = new byte[size.Products * size.Rows * rowQuads * 4 * _outputBytes];
        Array.Fill(c, Forbidden);
        float[] paddedBias = new float[size.Products * biasQuads * 4];
        Array.Fill(paddedBias, float.NaN);
        for (int product = 0; product < size.Products; product++)
        {
            Span<float> padded = paddedBias.AsSpan(product * biasQuads * 4, quads * 4);
            padded.Clear();
            bias.AsSpan(product * size.Columns, size.Columns).CopyTo(padded);
        }

        float[] squares = new float[finish == GemmMmaFinish.Squares ? RowSquares.CountOf(quads) * squareStride : 1];
        Array.Fill(squares, float.NaN);
        scales ??= new GemmMmaScales();
        for (int index = 0; index < scales.Count; index++)
        {
            Array.Resize(ref squares, (index + 1) * squareStride);
            scales.Squares.AsSpan(index * size.Rows, size.Rows).CopyTo(squares.AsSpan(index * squareStride));
        }

        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel);
        DeviceView result = Upload(c);
        DeviceView sums = Upload(MemoryMarshal.AsBytes(squares.AsSpan()));
        DeviceView note = run.FirstNoted < 0 ? default : Upload(new byte[sizeof(int)]);
        float[] units = scales.Units.Length > 0 ? scales.Units : [.. Enumerable.Repeat(1f, size.Rows)];
        arguments.Add(Upload(Encode(a, size.Rows, size.Rows, aStride, aBatch)),
            Upload(Encode([.. w.Select(Round)], size.Columns, 4 * quads, wStride, wBatch)),
            Upload(MemoryMarshal.AsBytes(paddedBias.AsSpan())), result, sums,
            scales.Count > 0 ? Upload(MemoryMarshal.AsBytes(units.AsSpan())) : default,
            scales.TableVectors > 0 ? Upload(MemoryMarshal.AsBytes(scales.Table.AsSpan())) : default,
            scales.TableVectors > 0 ? Upload(MemoryMarshal.AsBytes(scales.TableStarts.AsSpan())) : default,
            note);
        arguments.Add(new GemmLayout
        {
            RowCount = size.Rows,
            ColumnQuads = quads,
            InnerVectors = chunks,
            AStride = aStride,
            WStride = wStride,
            CRowStride = rowStride,
            CColumnStride = columnStride,
            ABatchStride = aBatch,
            WBatchStride = wBatch,
            BiasBatchStride = biasQuads,
            CBatchStride = cBatch,
            FirstNoted = run.FirstNoted,
            Limit = run.Limit,
        });
        arguments.Add(new GemmScaling
        {
            SquareStride = squareStride,
            SquareCount = scales.Count,
            Width = scales.Width,
            TableQuads = scales.TableVectors,
            RootEpsilon = MathF.Sqrt(scales.Epsilon),
        });
        if (shape.Family == GemmFamily.Wgmma)
            arguments.Add(size.Products);
        LaunchSize launch = shape.LaunchFor(KernelFor(shape, finish), size.Extent, device);
        LaunchReport report = gpu.Launch(s_modules.GetOrAdd(kernel.Ptx, static ptx => PtxModule.Parse(ptx)),
            kernel.EntryName, new Dim3(run.BlockCount ?? launch.GridX, launch.GridY), new Dim3(launch.BlockSize),
            launch.DynamicSharedBytes, arguments.Bytes);

        gpu.Read(result.Address, c);
        gpu.Read(sums.Address, MemoryMarshal.AsBytes(squares.AsSpan()));
        byte[] noted = new byte[sizeof(int)];
        if (run.FirstNoted >= 0)
            gpu.Read(note.Address, noted);
        float[] values = new float[size.Products * size.Rows * size.Columns];
        bool isPaddingKept = true;
        for (int row = 0; row < size.Products * size.Rows; row++)
        {
            for (int column = 0; column < 4 * quads; column++)
            {
                int group = (row / size.Rows * cBatch) + (row % size.Rows * rowStride)
                    + (column / 4 * columnStride);
                Span<byte> stored = c.AsSpan(((4 * group) + (column % 4)) * _outputBytes, _outputBytes);
                if (column < size.Columns)
                    values[(row * size.Columns) + column] = Decode(stored);
                else
                    isPaddingKept &= Decode(stored) == 0;
                stored.Fill(Forbidden);
            }
        }

        // The memory outside C.
        isPaddingKept &= !c.AsSpan().ContainsAnyExcept(Forbidden);
        float[] rowSquares = finish != GemmMmaFinish.Squares ? []
            : [.. squares.Where((_, index) => index % squareStride < size.Rows)];
        return new GemmMmaResult(values, rowSquares, OverflowNote.RowOf(BitConverter.ToInt32(noted)), isPaddingKept,
            report);

        // From one row to the next, and from one product to the next.
        (int Row, int Product) Strides(bool isBeside, int rows, int width)
            => isBeside ? (size.Products * width, width) : (width, rows * width);

        byte[] Encode(float[] values, int rows, int paddedRows, int stride, int batchStride)
        {
            byte[] bytes = new byte[size.Products * paddedRows * inputStride * 16];
            Array.Fill(bytes, Forbidden);
            for (int row = 0; row < size.Products * paddedRows; row++)
            {
                // Products that share W have equal ones here.
                Span<byte> place = bytes.AsSpan(((row / paddedRows * batchStride) + (row % paddedRows * stride)) * 16,
                    chunks * 16);
                place.Clear();
                if (row % paddedRows >= rows)
                    continue;
                int first = ((row / paddedRows * rows) + (row % paddedRows)) * size.Inner;
                for (int k = 0; k < size.Inner; k++)
                    Write(place[(k * _inputBytes)..], values[first + k]);
            }

            return bytes;
        }

        DeviceView Upload(ReadOnlySpan<byte> content)
        {
            ulong address = gpu.Allocate(content.Length);
            gpu.Write(address, content);
            return new DeviceView(address, content.Length);
        }
    }

    public override string ToString() => $"{_input.Name} to {_output.Name}";

    private static GemmMmaCase Of<TElement, TOutput>()
        where TElement : struct, IMmaElement
        where TOutput : struct, IGemmMmaOutput
        => new(typeof(TElement), TElement.Bytes, typeof(TOutput), TOutput.Bytes, (shape, finish) => finish switch
        {
            GemmMmaFinish.Linear => shape.KernelFor<TElement, LinearEpilogue, TOutput>(),
            GemmMmaFinish.Gelu => shape.KernelFor<TElement, GeluEpilogue, TOutput>(),
            GemmMmaFinish.Squares => shape.KernelFor<TElement, SquaresEpilogue, TOutput>(),
            _ => shape.KernelFor<TElement, ScaledEpilogue, TOutput>(),
        });

    /// <summary>The nearest value with the given number of low bits dropped, ties away from zero. For float32 the
    /// tests contain no ties.</summary>
    private static float RoundTo(float value, int droppedBits)
        => float.IsFinite(value)
            ? BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(value) + (1 << (droppedBits - 1)))
                & (-1 << droppedBits))
            : value;

    private void Write(Span<byte> place, float value)
    {
        if (_input == typeof(MmaTensorFloat32))
            MemoryMarshal.Write(place, value);
        else if (_input == typeof(MmaBFloat16))
            MemoryMarshal.Write(place, (ushort)(BitConverter.SingleToUInt32Bits(Round(value)) >> 16));
        else
            MemoryMarshal.Write(place, (Half)value);
    }

    private float Decode(ReadOnlySpan<byte> bytes) => _output == typeof(GemmMmaFloat32)
        ? MemoryMarshal.Read<float>(bytes)
        : _output == typeof(GemmMmaBFloat16)
            ? BitConverter.Int32BitsToSingle(MemoryMarshal.Read<ushort>(bytes) << 16)
            : (float)MemoryMarshal.Read<Half>(bytes);
}

/// <summary>The extents of products.</summary>
internal readonly record struct GemmMmaSize(int Rows, int Columns, int Inner, int Products = 1)
{
    public ProductExtent Extent => new(Products, Rows, Columns, Inner);
}

/// <summary>How products are stored and launched.</summary>
internal sealed record GemmMmaRun
{
    /// <summary>The seed of the order of warps.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Whether rows start at memory sectors; otherwise their alignment is the minimum.</summary>
    public bool IsAligned { get; init; }

    public GemmMmaLayout Layout { get; init; }

    /// <summary>Elements of at least this magnitude become NaN.</summary>
    public float Limit { get; init; } = float.PositiveInfinity;

    /// <summary>The index that the overflow note reports for the first row; negative to omit the note.</summary>
    public int FirstNoted { get; init; }

    /// <summary>The blocks of a product by warpgroups; null for those of the engine.</summary>
    public int? BlockCount { get; init; }

    /// <summary>The arithmetic of the emulator.</summary>
    public EmulatorOptions Arithmetic { get; init; } = new();
}

/// <summary>How the matrices of several products lie in memory. By default one product follows the other.</summary>
[Flags]
public enum GemmMmaLayout
{
    Consecutive = 0,

    /// <summary>Row r of all A, then row r + 1.</summary>
    BesideA = 1,

    /// <summary>The same for W.</summary>
    BesideW = 2,

    /// <summary>The same for C.</summary>
    BesideC = 4,

    /// <summary>All products have the W of the first one.</summary>
    SharedW = 8,

    /// <summary>C is [columns/4, rows] in quads.</summary>
    ColumnMajorC = 16,
}

/// <summary>An epilogue.</summary>
public enum GemmMmaFinish
{
    Linear,
    Gelu,
    Squares,
    Scaled,
}

/// <summary>The inputs of a scaled epilogue.</summary>
internal sealed record GemmMmaScales
{
    /// <summary>[count, rows].</summary>
    public float[] Squares { get; init; } = [];

    public int Count { get; init; }

    public int Width { get; init; } = 1;

    public float Epsilon { get; init; } = 1e-6f;

    /// <summary>The factor of each row; 1 if empty.</summary>
    public float[] Units { get; init; } = [];

    public float[] Table { get; init; } = [];

    public int TableVectors { get; init; }

    /// <summary>For each row, the index of the first quad of its row of the table.</summary>
    public int[] TableStarts { get; init; } = [];

    /// <summary>The scales of the rows from an index on.</summary>
    public GemmMmaScales From(int row)
    {
        int rowCount = Squares.Length / Math.Max(Count, 1);
        return this with
        {
            Squares = [.. Squares.Where((_, index) => index % rowCount >= row)],
            TableStarts = TableStarts[row..],
            Units = Units.Length > 0 ? Units[row..] : [],
        };
    }
}

/// <summary>The results of a run.</summary>
/// <param name="C">[products, rows, columns].</param>
/// <param name="Squares">[⌈columns/32⌉, rows] if the epilogue stores them.</param>
/// <param name="Noted">The noted row; <see cref="NoRow"/> if none.</param>
/// <param name="IsPaddingKept">Whether the last quad of each row is padded with zeros and nothing was
/// written behind it.</param>
/// <param name="Report">The counters of the launch.</param>
internal sealed record GemmMmaResult(float[] C, float[] Squares, int Noted, bool IsPaddingKept, LaunchReport Report)
{
    /// <summary>The value of an empty note.</summary>
    public const int NoRow = int.MaxValue;
}
