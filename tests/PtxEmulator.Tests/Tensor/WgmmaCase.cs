namespace PtxEmulator.Tests;

/// <summary>A product of a 64×16 and a 16×N matrix by each warpgroup of a block. The block copies an image of the
/// shared memory from global memory, fences it and multiplies.</summary>
internal sealed record WgmmaCase
{
    public const int RowCount = 64;
    public const int Depth = 16;

    /// <summary>The bits of the elements that nothing should read: a NaN in both types.</summary>
    private const ushort Filler = 0xFFFF;

    public int Columns { get; init; } = 8;

    public bool IsBFloat { get; init; }

    /// <summary>The layout of A; null for A in registers.</summary>
    public WgmmaLayout? LayoutA { get; init; }

    public required WgmmaLayout LayoutB { get; init; }

    /// <summary>The operand scale-d: a number, or a comparison of %one with 1 or 0.</summary>
    public string ScaleD { get; init; } = "1";

    public int ScaleA { get; init; } = 1;

    public int ScaleB { get; init; } = 1;

    /// <summary>The distance in bytes of the matrices of a second warpgroup, which are in the same layout; 0 for one
    /// warpgroup.</summary>
    public int SecondAt { get; init; }

    /// <summary>The number of products in a row.</summary>
    public int Times { get; init; } = 1;

    public EmulatorOptions Options { get; init; } = new();

    private int GroupCount => SecondAt == 0 ? 1 : 2;

    private string Type => IsBFloat ? "bf16" : "f16";

    /// <summary>The result of each warpgroup.</summary>
    /// <param name="a">The matrices A, one for each warpgroup.</param>
    /// <param name="b">The matrices B.</param>
    /// <param name="c">The accumulators.</param>
    public float[][,] Multiply(float[][,] a, float[][,] b, float[][,] c) => Multiply(a, b, c, out _);

    /// <inheritdoc cref="Multiply(float[][,], float[][,], float[][,])"/>
    public float[][,] Multiply(float[][,] a, float[][,] b, float[][,] c, out LaunchReport report)
    {
        int threads = 128 * GroupCount;
        int elements = Columns / 2;
        ushort[] image = Image(a, b);
        float[] accumulators = new float[threads * elements];
        uint[] registers = new uint[threads * 4];
        for (int group = 0; group < GroupCount; group++)
        {
            for (int row = 0; row < RowCount; row++)
            {
                for (int column = 0; column < Columns; column++)
                {
                    (int thread, int element) = WgmmaFragment.Of(row, column);
                    accumulators[(((128 * group) + thread) * elements) + element] = c[group][row, column];
                }
                for (int k = 0; k < Depth && LayoutA == null; k++)
                {
                    (int lane, int element) = Fragment.A16[row % 16, k];
                    registers[(((128 * group) + (row / 16 * 32) + lane) * 4) + (element / 2)]
                        |= (uint)Bits(a[group][row, k]) << (16 * (element % 2));
                }
            }
        }
        ulong[] descriptors = [.. Enumerable.Range(0, GroupCount).SelectMany(group => new[]
        {
            LayoutA?.Descriptor + (ulong)(group * SecondAt / 16) ?? 0,
            LayoutB.Descriptor + (ulong)(group * SecondAt / 16),
        })];
        using KernelRun run = new(Text(image.Length * sizeof(ushort)), Options, KernelRun.HopperHeader);
        ulong d = run.Buffer(new float[accumulators.Length]);

        report = run.Launch(new Dim3(1, 1, 1), new Dim3(threads, 1, 1), image.Length * sizeof(ushort),
            run.Buffer(image), run.Buffer(descriptors), run.Buffer(registers), run.Buffer(accumulators), d);

        float[] results = run.Read<float>(d, accumulators.Length);
        return [.. Enumerable.Range(0, GroupCount).Select(group => Result(results.AsSpan(128 * group * elements)))];
    }

    public ushort Bits(float value)
        => IsBFloat ? ((BFloat16)value).Bits : BitConverter.HalfToUInt16Bits((Half)value);

    /// <summary>The value as the element type represents it.</summary>
    public float Rounded(float value) => IsBFloat ? (float)(BFloat16)value : (float)(Half)value;

    /// <summary>The shared memory: the matrices in their layouts, and NaN elsewhere.</summary>
    private ushort[] Image(float[][,] a, float[][,] b)
    {
        var elements = new Dictionary<int, ushort>();
        for (int group = 0; group < GroupCount; group++)
        {
            for (int k = 0; k < Depth; k++)
            {
                for (int row = 0; row < RowCount && LayoutA is not null; row++)
                    elements.Add(LayoutA.AddressOf(row, k) + (group * SecondAt), Bits(a[group][row, k]));
                for (int column = 0; column < Columns; column++)
                    elements.Add(LayoutB.AddressOf(column, k) + (group * SecondAt), Bits(b[group][k, column]));
            }
        }
        ushort[] image = new ushort[(elements.Keys.Max() / 32 * 16) + 16];
        Array.Fill(image, Filler);
        foreach ((int address, ushort bits) in elements)
            image[address / 2] = bits;
        return image;
    }

    private float[,] Result(ReadOnlySpan<float> results)
    {
        float[,] d = new float[RowCount, Columns];
        for (int row = 0; row < RowCount; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                (int thread, int element) = WgmmaFragment.Of(row, column);
                d[row, column] = results[(thread * Columns / 2) + element];
            }
        }
        return d;
    }

    private string Text(int imageBytes)
    {
        int count = Columns / 2;
        string d = string.Join(", ", Enumerable.Range(0, count).Select(index => $"%d{index}"));
        string a = LayoutA is null ? "{%a0, %a1, %a2, %a3}" : "%descA";
        string trans = LayoutA is null ? "" : $"{(LayoutA.IsTransposed ? 1 : 0)}, ";
        string product = $$"""
            wgmma.mma_async.sync.aligned.m64n{{Columns}}k16.f32.{{Type}}.{{Type}} {{{d}}}, {{a}}, %descB, {{ScaleD}},
                {{ScaleA}}, {{ScaleB}}, {{trans}}{{(LayoutB.IsTransposed ? 1 : 0)}};

            """;
        return $$"""
            .extern .shared .align 1024 .b8 memory[];
            .visible .entry multiply(.param .u64 image, .param .u64 descriptors, .param .u64 registers,
                .param .u64 accumulators, .param .u64 results)
            {
                .reg .pred %p, %yes, %no;
                .reg .b32 %i, %at, %address, %word, %a<4>;
                .reg .f32 %d<{{count}}>;
                .reg .b64 %in, %out, %offset, %from, %descA, %descB;
                mov.u32 %i, %tid.x;
                setp.eq.u32 %yes, %i, %i;
                setp.ne.u32 %no, %i, %i;
                ld.param.u64 %in, [image];
                shl.b32 %at, %i, 2;
                FILL:
                setp.ge.u32 %p, %at, {{imageBytes}};
                @%p bra FILLED;
                cvt.u64.u32 %offset, %at;
                add.u64 %from, %in, %offset;
                ld.global.u32 %word, [%from];
                mov.u32 %address, memory;
                add.u32 %address, %address, %at;
                st.shared.u32 [%address], %word;
                add.u32 %at, %at, {{128 * GroupCount * 4}};
                bra FILL;
                FILLED:
                fence.proxy.async.shared::cta;
                bar.sync 0;
                shr.u32 %at, %i, 7;
                ld.param.u64 %in, [descriptors];
                mad.wide.u32 %from, %at, 16, %in;
                ld.global.u64 %descA, [%from];
                ld.global.u64 %descB, [%from+8];
                ld.param.u64 %in, [registers];
                mad.wide.u32 %from, %i, 16, %in;
                ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%from];
                ld.param.u64 %in, [accumulators];
                mad.wide.u32 %from, %i, {{4 * count}}, %in;
                {{Each("ld.global.f32 %d{0}, [%from+{1}];")}}
                wgmma.fence.sync.aligned;
                {{string.Concat(Enumerable.Repeat(product, Times))}}
                wgmma.commit_group.sync.aligned;
                wgmma.wait_group.sync.aligned 0;
                ld.param.u64 %out, [results];
                mad.wide.u32 %out, %i, {{4 * count}}, %out;
                {{Each("st.global.f32 [%out+{1}], %d{0};")}}
                ret;
            }
            """;

        string Each(string pattern) => string.Join('\n', Enumerable.Range(0, count)
            .Select(index => pattern.Replace("{0}", $"{index}", StringComparison.Ordinal)
                .Replace("{1}", $"{4 * index}", StringComparison.Ordinal)));
    }
}
