namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.14.5: mma.sync.m16n8k16 with f16 and bf16 and m16n8k8 with tf32, all with float32
/// accumulators.</summary>
internal sealed class MmaTests
{
    private const int RowCount = 16;
    private const int ColumnCount = 8;

    internal enum Kind
    {
        F16,
        BF16,
        TF32,
    }

    /// <summary>Products of one-hot matrices show a wrong position in any fragment.</summary>
    [Test]
    public void Every_element_is_at_its_position([Values] Kind kind)
    {
        int depth = Depth(kind);
        using KernelRun run = new(Text(kind));
        float[,] c = new float[RowCount, ColumnCount];
        (int Row, int K, int Column)[] spots =
            [.. from row in Enumerable.Range(0, RowCount)
                from k in Enumerable.Range(0, depth)
                select (row, k, (row + (3 * k)) % ColumnCount)];
        List<uint> operands = [];
        foreach ((int row, int k, int column) in spots)
        {
            float[,] a = new float[RowCount, depth];
            float[,] b = new float[depth, ColumnCount];
            a[row, k] = 3;
            b[k, column] = 5;
            operands.AddRange(Operands(kind, a, b, c));
        }
        ulong results = run.Buffer(new float[spots.Length * 32 * 4]);

        run.Launch(spots.Length, 32, run.Buffer(operands.ToArray()), results);

        float[] actual = run.Read<float>(results, spots.Length * 32 * 4);
        for (int index = 0; index < spots.Length; index++)
        {
            float[,] d = Result(actual.AsSpan(index * 128, 128));
            float[,] expected = new float[RowCount, ColumnCount];
            expected[spots[index].Row, spots[index].Column] = 15;
            Assert.That(d, Is.EqualTo(expected), $"{spots[index]}");
        }
    }

    /// <summary>Small integers, whose sums are exact in any order.</summary>
    [Test]
    public void Integers_have_the_exact_product([Values] Kind kind, [Values] bool truncates)
    {
        Random random = new(7);
        int depth = Depth(kind);
        float[,] a = Filled(RowCount, depth, () => random.Next(-9, 10));
        float[,] b = Filled(depth, ColumnCount, () => random.Next(-9, 10));
        float[,] c = Filled(RowCount, ColumnCount, () => random.Next(-999, 1000));

        float[,] d = Multiply(kind, a, b, c, truncates: truncates);

        for (int row = 0; row < RowCount; row++)
            for (int column = 0; column < ColumnCount; column++)
                Assert.That(d[row, column], Is.EqualTo(Exact(a, b, c, row, column)), $"({row}, {column})");
    }

    /// <remarks>Products are exact; the ISA does not define the order and the rounding of the additions. depth + 1
    /// numbers are added, and each addition truncates by at most 2⁻²³ of the sum of the magnitudes so far. Truncated
    /// sums have the same bound: of a group of n products each term loses less than 2⁻²⁴ of the largest, and the result
    /// less than 2⁻²³ of it.</remarks>
    [Test]
    public void Fractions_have_the_product_within_float32_rounding([Values] Kind kind, [Values(1, 2, 3, 4)] int seed,
        [Values] bool truncates)
    {
        Random random = new(seed);
        int depth = Depth(kind);
        float[,] a = Filled(RowCount, depth, () => Rounded(kind, (random.NextSingle() * 4) - 2));
        float[,] b = Filled(depth, ColumnCount, () => Rounded(kind, (random.NextSingle() * 4) - 2));
        float[,] c = Filled(RowCount, ColumnCount, () => random.NextSingle() - 0.5f);

        float[,] d = Multiply(kind, a, b, c, truncates: truncates);

        for (int row = 0; row < RowCount; row++)
        {
            for (int column = 0; column < ColumnCount; column++)
            {
                double magnitude = Math.Abs(c[row, column]);
                for (int k = 0; k < depth; k++)
                    magnitude += Math.Abs((double)a[row, k] * b[k, column]);
                Assert.That((double)d[row, column],
                    Is.EqualTo(Exact(a, b, c, row, column)).Within((depth + 1) * magnitude * Math.ScaleB(1, -23)),
                    $"({row}, {column})");
            }
        }
    }

    [Test]
    public void Infinities_and_NaN_stay_in_their_row_and_column([Values] Kind kind, [Values] bool truncates)
    {
        int depth = Depth(kind);
        float[,] a = Filled(RowCount, depth, () => 1);
        float[,] b = Filled(depth, ColumnCount, () => 1);
        float[,] c = new float[RowCount, ColumnCount];
        a[2, 1] = float.PositiveInfinity;
        a[5, 3] = float.NaN;
        b[1, 6] = 0;
        b[4, 7] = float.NegativeInfinity;

        float[,] d = Multiply(kind, a, b, c, truncates: truncates);

        for (int row = 0; row < RowCount; row++)
            for (int column = 0; column < ColumnCount; column++)
                Assert.That(d[row, column], Is.EqualTo((float)Exact(a, b, c, row, column)), $"({row}, {column})");
    }

    /// <summary>Every product is 1.5·2⁻²⁴, three quarters of a unit in the last place of c. Rounded one by one, each
    /// adds a unit. Truncated to 2⁻²⁴, two add a unit.</summary>
    [Test]
    public void Truncated_sums_are_aligned_to_the_largest_term([Values] Kind kind, [Values(1, -1)] int sign,
        [Values] bool truncates)
    {
        int depth = Depth(kind);
        float[,] a = Filled(RowCount, depth, () => 1.5f * MathF.ScaleB(1, -12));
        float[,] b = Filled(depth, ColumnCount, () => sign * MathF.ScaleB(1, -12));
        float[,] c = Filled(RowCount, ColumnCount, () => sign);

        float[,] d = Multiply(kind, a, b, c, truncates: truncates);

        Assert.That(d, Is.All.EqualTo(sign * (1 + (depth * MathF.ScaleB(1, truncates ? -24 : -23)))));
    }

    /// <summary>A group of products and c is 1 + 1.5·2⁻²³ in magnitude, which is rounded toward zero.</summary>
    [Test]
    public void Truncated_sums_are_rounded_toward_zero([Values] Kind kind, [Values(1, -1)] int sign)
    {
        int depth = Depth(kind);
        float[,] a = new float[RowCount, depth];
        float[,] b = Filled(depth, ColumnCount, () => sign * MathF.ScaleB(1, -12));
        float[,] c = Filled(RowCount, ColumnCount, () => sign);
        for (int row = 0; row < RowCount; row++)
            a[row, 1] = 3 * MathF.ScaleB(1, -12);

        float[,] d = Multiply(kind, a, b, c, truncates: true);

        Assert.That(d, Is.All.EqualTo(sign * (1 + MathF.ScaleB(1, -23))));
    }

    /// <summary>The result may overwrite the accumulator.</summary>
    [Test]
    public void The_result_may_overwrite_the_accumulator([Values] Kind kind)
    {
        int depth = Depth(kind);
        float[,] a = Filled(RowCount, depth, () => 2);
        float[,] b = Filled(depth, ColumnCount, () => 3);
        float[,] c = Filled(RowCount, ColumnCount, () => 100);

        float[,] d = Multiply(kind, a, b, c, times: 3);

        Assert.That(d, Is.All.EqualTo(100f + (3 * 6 * depth)));
    }

    private static int Depth(Kind kind) => kind == Kind.TF32 ? 8 : 16;

    private static double Exact(float[,] a, float[,] b, float[,] c, int row, int column)
    {
        double sum = c[row, column];
        for (int k = 0; k < a.GetLength(1); k++)
            sum += (double)a[row, k] * b[k, column];
        return sum;
    }

    private static float[,] Filled(int rowCount, int columnCount, Func<float> value)
    {
        float[,] matrix = new float[rowCount, columnCount];
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                matrix[row, column] = value();
        return matrix;
    }

    private static float Rounded(Kind kind, float value) => kind switch
    {
        Kind.F16 => (float)(Half)value,
        Kind.BF16 => (float)(BFloat16)value,
        _ => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF_E000),
    };

    private static float[,] Multiply(Kind kind, float[,] a, float[,] b, float[,] c, int times = 1,
        bool truncates = false)
    {
        using KernelRun run = new(Text(kind, times), new() { TruncatesMatrixSums = truncates });
        ulong results = run.Buffer(new float[32 * 4]);
        run.Launch(1, 32, run.Buffer(Operands(kind, a, b, c)), results);
        return Result(run.Read<float>(results, 32 * 4));
    }

    /// <summary>Ten registers per lane: four of A, two of B, four of C.</summary>
    private static uint[] Operands(Kind kind, float[,] a, float[,] b, float[,] c)
    {
        uint[] registers = new uint[32 * 10];
        bool isWide = kind == Kind.TF32;
        Place(a, isWide ? Fragment.A32 : Fragment.A16, 0, isWide);
        Place(b, isWide ? Fragment.B32 : Fragment.B16, 4, isWide);
        Place(c, Fragment.Accumulator, 6, true);
        return registers;

        void Place(float[,] matrix, Fragment fragment, int first, bool wide)
        {
            for (int row = 0; row < matrix.GetLength(0); row++)
            {
                for (int column = 0; column < matrix.GetLength(1); column++)
                {
                    (int lane, int element) = fragment[row, column];
                    float value = matrix[row, column];
                    if (wide)
                        registers[(10 * lane) + first + element] = BitConverter.SingleToUInt32Bits(value);
                    else
                        registers[(10 * lane) + first + (element / 2)] |= (uint)(kind == Kind.F16
                            ? BitConverter.HalfToUInt16Bits((Half)value)
                            : ((BFloat16)value).Bits) << (16 * (element % 2));
                }
            }
        }
    }

    private static float[,] Result(ReadOnlySpan<float> registers)
    {
        float[,] d = new float[RowCount, ColumnCount];
        for (int row = 0; row < RowCount; row++)
        {
            for (int column = 0; column < ColumnCount; column++)
            {
                (int lane, int element) = Fragment.Accumulator[row, column];
                d[row, column] = registers[(4 * lane) + element];
            }
        }
        return d;
    }

    private static string Text(Kind kind, int times = 1)
    {
        string instruction = kind switch
        {
            Kind.F16 => "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
            Kind.BF16 => "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
            _ => "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
        };
        string product = $$"""
            {{instruction}} {%c0, %c1, %c2, %c3}, {%a0, %a1, %a2, %a3}, {%b0, %b1}, {%c0, %c1, %c2, %c3};

            """;
        return $$"""
            .visible .entry multiply(.param .u64 operands, .param .u64 results)
            {
                .reg .b32 %i, %block, %a<4>, %b<2>;
                .reg .f32 %c<4>;
                .reg .b64 %in, %out, %offset;
                mov.u32 %i, %tid.x;
                mov.u32 %block, %ctaid.x;
                mad.lo.u32 %i, %block, 32, %i;
                ld.param.u64 %in, [operands];
                mul.wide.u32 %offset, %i, 40;
                add.u64 %in, %in, %offset;
                ld.global.v2.b32 {%a0, %a1}, [%in];
                ld.global.v2.b32 {%a2, %a3}, [%in+8];
                ld.global.v2.b32 {%b0, %b1}, [%in+16];
                ld.global.v2.f32 {%c0, %c1}, [%in+24];
                ld.global.v2.f32 {%c2, %c3}, [%in+32];
                {{string.Concat(Enumerable.Repeat(product, times))}}
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, 16;
                add.u64 %out, %out, %offset;
                st.global.v4.f32 [%out], {%c0, %c1, %c2, %c3};
                ret;
            }
            """;
    }
}
