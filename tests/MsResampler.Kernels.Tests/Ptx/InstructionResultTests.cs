using System.Reflection;
using MsResampler.Kernels.Ptx;
using static MsResampler.Kernels.Tests.Ptx.ScalarExpectations;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>The results of every instruction in the emulator, compared with formulas from the PTX ISA.</summary>
public sealed class InstructionResultTests
{
    private const int LaneCount = 32;
    private static readonly Random s_random = new(7);
    private readonly KernelCompiler _compiler = new();

    [Test]
    public void A_rolled_bound_keeps_its_value()
    {
        int[] x = [.. Enumerable.Range(-16, LaneCount)];
        int[] y = new int[LaneCount];

        Run(nameof(InstructionKernels.Rolled), LaneCount, x, y);

        Assert.That(y, Is.EqualTo(x));
    }

    [Test]
    public void Exp2() => CheckExp2(OfValues(nameof(InstructionKernels.Exp2)));

    [Test]
    public void Log2() => CheckLog2(OfValues(nameof(InstructionKernels.Log2)));

    [Test]
    public void Reciprocal() => CheckReciprocal(OfValues(nameof(InstructionKernels.Reciprocal)));

    [Test]
    public void ReciprocalSqrt() => CheckReciprocalSqrt(OfValues(nameof(InstructionKernels.ReciprocalSqrt)));

    [Test]
    public void Fma_rounds_once()
    {
        const float Small = 1f / 4096;
        float[] a = [1 + Small, 3, float.MaxValue, 0];
        float[] b = [1 - Small, 4, 2, 5];
        float[] c = [-1, 5, -float.MaxValue, -0f];
        float[] y = new float[4];

        Run(nameof(InstructionKernels.Fma), 4, a, b, c, y);

        Assert.That(y, Is.EqualTo(new[] { -Small * Small, 17, float.MaxValue, 0 }));
    }

    [Test]
    public void Packing_to_float16_rounds_to_nearest() => CheckPacking(nameof(InstructionKernels.PackF16),
        [1, 65504, 65519, 65520, 1e-8f, 5.9604645e-8f, 2.9802322e-8f, 4.4703484e-8f, 1 + (1f / 2048),
            1 + (3f / 2048), -0f, float.NegativeInfinity, float.NaN, 0.1f, -3.14159f, 1e30f], IsF16);

    [Test]
    public void Packing_to_bfloat16_rounds_to_nearest()
        => CheckPacking(nameof(InstructionKernels.PackBF16), Floats(), IsBF16);

    [Test]
    public void Rounding_to_TF32_rounds_ties_away_from_zero()
    {
        float[] x = Floats();
        uint[] y = new uint[x.Length];

        Run(nameof(InstructionKernels.PackTF32), x.Length, x, y);

        for (int i = 0; i < y.Length; i++)
            Assert.That(IsTF32(y[i], x[i]), Is.True, $"{x[i]:R} -> {y[i]:X8}");
    }

    [TestCase(nameof(InstructionKernels.MmaF16))]
    [TestCase(nameof(InstructionKernels.MmaBF16))]
    public void Products_of_16_bit_elements(string kernel)
    {
        Func<float, uint> bits = kernel == nameof(InstructionKernels.MmaF16)
            ? value => BitConverter.HalfToUInt16Bits((Half)value)
            : value => BitConverter.SingleToUInt32Bits(value) >> 16;
        float[,] a = SmallIntegers(16, 16);
        float[,] b = SmallIntegers(16, 8);
        float[,] c = SmallIntegers(16, 8);
        var fragmentsA = new UInt4[LaneCount];
        var fragmentsB = new UInt2[LaneCount];
        for (int lane = 0; lane < LaneCount; lane++)
        {
            // PTX ISA, mma.m16n8k16: elements a0..a7 and b0..b3 of a lane, two to a register.
            int group = lane >> 2;
            int place = lane % 4;
            uint A(int i) => bits(a[i is < 2 or (>= 4 and < 6) ? group : group + 8,
                (place * 2) + (i & 1) + (i < 4 ? 0 : 8)]);
            uint B(int i) => bits(b[(place * 2) + (i & 1) + (i < 2 ? 0 : 8), group]);
            fragmentsA[lane] = new UInt4(A(0) | (A(1) << 16), A(2) | (A(3) << 16), A(4) | (A(5) << 16),
                A(6) | (A(7) << 16));
            fragmentsB[lane] = new UInt2(B(0) | (B(1) << 16), B(2) | (B(3) << 16));
        }

        var d = new Float4[LaneCount];
        Run(kernel, LaneCount, Accumulators(c), fragmentsA, fragmentsB, d);

        Assert.That(d, Is.EqualTo(Accumulators(Product(a, b, c))));
    }

    [Test]
    public void Products_of_TF32_elements()
    {
        float[,] a = SmallIntegers(16, 8);
        float[,] b = SmallIntegers(8, 8);
        float[,] c = SmallIntegers(16, 8);
        var fragmentsA = new UInt4[LaneCount];
        var fragmentsB = new UInt2[LaneCount];
        for (int lane = 0; lane < LaneCount; lane++)
        {
            // PTX ISA, mma.m16n8k8 with .tf32: elements a0..a3 and b0, b1 of a lane.
            int group = lane >> 2;
            int place = lane % 4;
            uint A(int i) => BitConverter.SingleToUInt32Bits(
                a[i is 0 or 2 ? group : group + 8, i < 2 ? place : place + 4]);
            uint B(int i) => BitConverter.SingleToUInt32Bits(b[i == 0 ? place : place + 4, group]);
            fragmentsA[lane] = new UInt4(A(0), A(1), A(2), A(3));
            fragmentsB[lane] = new UInt2(B(0), B(1));
        }

        var d = new Float4[LaneCount];
        Run(nameof(InstructionKernels.MmaTF32), LaneCount, Accumulators(c), fragmentsA, fragmentsB, d);

        Assert.That(d, Is.EqualTo(Accumulators(Product(a, b, c))));
    }

    [TestCase(1, false)]
    [TestCase(2, false)]
    [TestCase(4, false)]
    [TestCase(1, true)]
    [TestCase(2, true)]
    [TestCase(4, true)]
    public void Ldmatrix_loads_and_transposes_matrices(int matrixCount, bool isTransposed)
    {
        var image = new UInt4[64];
        ushort Element(int row, int column) => (ushort)((row * 8) + column + 1000);
        for (int row = 0; row < image.Length; row++)
        {
            uint Pair(int column) => Element(row, column) | ((uint)Element(row, column + 1) << 16);
            image[row] = new UInt4(Pair(0), Pair(2), Pair(4), Pair(6));
        }

        int[] rows = [.. Enumerable.Range(0, image.Length)];
        s_random.Shuffle(rows);
        uint[] addresses = [.. rows.Take(LaneCount).Select(row => (uint)(16 * row))];
        Array y = matrixCount switch
        {
            1 => new uint[LaneCount],
            2 => new UInt2[LaneCount],
            _ => new UInt4[LaneCount],
        };
        Run($"LoadMatrixX{matrixCount}{(isTransposed ? "Transposed" : "")}", LaneCount, image, addresses, y);

        for (int lane = 0; lane < LaneCount; lane++)
        {
            // PTX ISA, ldmatrix: lane l holds row l/4, columns 2(l%4) and the next; transposed, rows for columns.
            uint[] expected = [.. Enumerable.Range(0, matrixCount).Select(matrix =>
            {
                uint Of(int row, int column) => isTransposed
                    ? Element(rows[(8 * matrix) + column], row)
                    : Element(rows[(8 * matrix) + row], column);
                int column = 2 * (lane % 4);
                return Of(lane / 4, column) | (Of(lane / 4, column + 1) << 16);
            })];
            uint[] found = y.GetValue(lane) switch
            {
                uint one => [one],
                UInt2 two => [two.X, two.Y],
                UInt4 four => [four.X, four.Y, four.Z, four.W],
                _ => [],
            };
            Assert.That(found, Is.EqualTo(expected), $"lane {lane}");
        }
    }

    [Test]
    public void Asynchronous_copies_arrive_group_by_group()
    {
        float[] first = [.. Enumerable.Range(0, 4 * LaneCount).Select(i => i + 0.5f)];
        ushort[] second = [.. Enumerable.Range(0, 8 * LaneCount).Select(i => (ushort)(i * 3))];
        var y = new UInt4[2 * LaneCount];

        Run(nameof(InstructionKernels.AsyncCopyGroups), LaneCount, first, second, y);

        for (int lane = 0; lane < LaneCount; lane++)
        {
            int other = LaneCount - 1 - lane;
            uint First(int i) => BitConverter.SingleToUInt32Bits(first[(4 * other) + i]);
            uint Second(int i) => second[(8 * other) + (2 * i)] | ((uint)second[(8 * other) + (2 * i) + 1] << 16);
            Assert.That(y[lane], Is.EqualTo(new UInt4(First(0), First(1), First(2), First(3))));
            Assert.That(y[LaneCount + lane], Is.EqualTo(new UInt4(Second(0), Second(1), Second(2), Second(3))));
        }
    }

    [TestCase(nameof(InstructionKernels.AsyncCopyOrZero), 0)]
    [TestCase(nameof(InstructionKernels.AsyncCopyOrZeroFromOffset), 4)]
    public void An_asynchronous_copy_zero_fills_the_unread_bytes(string kernel, int offset)
    {
        float[] source = [.. Enumerable.Range(0, (4 * LaneCount) + offset).Select(i => i + 0.5f)];
        int[] byteCounts = [.. Enumerable.Range(0, LaneCount).Select(lane => 4 * (lane % 5))];
        var y = new UInt4[LaneCount];

        Run(kernel, LaneCount, source, byteCounts, y);

        for (int lane = 0; lane < LaneCount; lane++)
        {
            uint At(int i) => 4 * i < byteCounts[lane]
                ? BitConverter.SingleToUInt32Bits(source[(4 * lane) + offset + i]) : 0;
            Assert.That(y[lane], Is.EqualTo(new UInt4(At(0), At(1), At(2), At(3))), $"lane {lane}");
        }
    }

    [Test]
    public void Four_byte_accesses_to_shared_memory()
    {
        float[] floats = [.. Enumerable.Range(0, LaneCount).Select(i => i + 0.5f)];
        float[] floatsBack = new float[LaneCount];

        Run(nameof(InstructionKernels.SharedFloat), LaneCount, floats, floatsBack);

        Assert.That(floatsBack, Is.EqualTo(floats.Reverse()));
    }

    [Test]
    public void Sixteen_byte_accesses_to_shared_memory()
    {
        Float4[] floats = [.. Enumerable.Range(0, LaneCount).Select(i => new Float4(i, i + 0.25f, i + 0.5f, -i))];
        UInt4[] words = [.. Enumerable.Range(0, LaneCount).Select(i => new UInt4((uint)i, ~(uint)i, 7, uint.MaxValue))];
        var floatsBack = new Float4[LaneCount];
        var wordsBack = new UInt4[LaneCount];

        Run(nameof(InstructionKernels.SharedFloat4), LaneCount, floats, floatsBack);
        Run(nameof(InstructionKernels.SharedUInt4), LaneCount, words, wordsBack);

        Assert.That(floatsBack, Is.EqualTo(floats.Reverse()));
        Assert.That(wordsBack, Is.EqualTo(words.Reverse()));
    }

    [TestCase(nameof(InstructionKernels.GlobalFloat4))]
    [TestCase(nameof(InstructionKernels.GlobalConstantFloat4))]
    public void Sixteen_byte_accesses_to_global_memory_as_floats(string kernel)
    {
        float[] x = [.. Enumerable.Range(0, 4 * LaneCount).Select(i => i - 7.5f)];
        float[] y = new float[x.Length];

        Run(kernel, LaneCount, x, y);

        Assert.That(y, Is.EqualTo(x));
    }

    [TestCase(nameof(InstructionKernels.GlobalUInt4))]
    [TestCase(nameof(InstructionKernels.GlobalConstantUInt4))]
    public void Sixteen_byte_accesses_to_global_memory_as_words(string kernel)
    {
        ushort[] x = [.. Enumerable.Range(0, 8 * LaneCount).Select(i => (ushort)(i * 251))];
        ushort[] y = new ushort[x.Length];

        Run(kernel, LaneCount, x, y);

        Assert.That(y, Is.EqualTo(x));
    }

    [Test]
    public void The_shuffles_of_ILGPU()
    {
        float[] x = [.. Enumerable.Range(0, LaneCount).Select(i => i * 1.5f)];
        float[] y = new float[4 * LaneCount];

        Run(nameof(InstructionKernels.Shuffles), LaneCount, x, y);

        IEnumerable<int> lanes = Enumerable.Range(0, LaneCount);
        Assert.That(y[..32], Is.EqualTo(lanes.Select(lane => x[lane ^ 5])));
        Assert.That(y[32..64], Is.EqualTo(lanes.Select(lane => x[31 - lane])));
        Assert.That(y[64..96], Is.EqualTo(lanes.Select(lane => x[lane + 3 < 32 ? lane + 3 : lane])));
        Assert.That(y[96..], Is.EqualTo(lanes.Select(lane => x[lane >= 3 ? lane - 3 : lane])));
    }

    /// <summary>Random numbers with all exponents, ties, and NaN.</summary>
    private static float[] Floats() =>
    [
        .. Values, 1 + (1f / 256), 1 + (3f / 256), -1 - (1f / 256), 1 + (1f / 2048), 1 + (3f / 2048), -1 - (1f / 2048),
        .. Enumerable.Range(0, 64).Select(_ => BitConverter.Int32BitsToSingle(
            s_random.Next(int.MinValue, int.MaxValue))),
    ];

    /// <summary>Products and sums of these integers are exact in any order.</summary>
    private static float[,] SmallIntegers(int rows, int columns)
    {
        var matrix = new float[rows, columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
                matrix[row, column] = s_random.Next(-8, 9);
        }

        return matrix;
    }

    private static float[,] Product(float[,] a, float[,] b, float[,] c)
    {
        var d = (float[,])c.Clone();
        for (int row = 0; row < 16; row++)
        {
            for (int column = 0; column < 8; column++)
            {
                for (int k = 0; k < a.GetLength(1); k++)
                    d[row, column] += a[row, k] * b[k, column];
            }
        }

        return d;
    }

    /// <summary>The elements c0..c3 of every lane: PTX ISA, mma.m16n8k16 and m16n8k8.</summary>
    private static Float4[] Accumulators(float[,] matrix) => [.. Enumerable.Range(0, LaneCount).Select(lane =>
    {
        float Of(int i) => matrix[i < 2 ? lane >> 2 : (lane >> 2) + 8, (lane % 4 * 2) + (i & 1)];
        return new Float4(Of(0), Of(1), Of(2), Of(3));
    })];

    private float[] OfValues(string kernel)
    {
        float[] y = new float[Values.Length];
        Run(kernel, Values.Length, Values, y);
        return y;
    }

    private void CheckPacking(string kernel, float[] low, Func<uint, float, bool> isNearest)
    {
        float[] high = [.. low.Reverse()];
        uint[] y = new uint[low.Length];

        Run(kernel, low.Length, low, high, y);

        for (int i = 0; i < y.Length; i++)
        {
            Assert.That(isNearest(y[i] & 0xFFFF, low[i]), Is.True, $"{low[i]:R} -> {y[i]:X8}");
            Assert.That(isNearest(y[i] >> 16, high[i]), Is.True, $"{high[i]:R} -> {y[i]:X8}");
        }
    }

    private void Run(string kernel, int blockSize, params object[] arguments)
    {
        MethodInfo method = InstructionKernels.Method(kernel);
        KernelRun.Run(_compiler, method, blockCount: 1, blockSize, arguments);
    }
}
