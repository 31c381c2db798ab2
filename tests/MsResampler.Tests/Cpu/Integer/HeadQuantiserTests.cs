using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu.Integer;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class HeadQuantiserTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private const int HeadCount = 2;
    private const int FrameCount = 2;

    private static readonly int[] s_headSizes = [1, 4, 15, 16, 34, 64, 72, 130];

    /// <summary>A kernel with bytes and one without.</summary>
    private static readonly IntegerKernel[] s_kernels = [new AvxVnniKernel(), new ScalarKernel()];

    private static double Value(IntegerHeads heads, int frame, int head, int row, int channel)
        => heads.Offsets(frame, head)[channel] + (heads.Scales(frame, head)[channel] * (double)Level(heads, head, row,
            channel));

    private static int Level(IntegerHeads heads, int head, int row, int channel) => heads.HasBytes
        ? heads.Row(head, row)[channel] : ((short*)heads.Row(head, row))[channel];

    /// <summary>Rounds the second frame, whose rows follow those of the first.</summary>
    private static IntegerHeads Round<TAny, TLanes>(AlignedBuffer values, int rowCount, int headSize, IntegerType type,
        IntegerKernel kernel, AlignedBuffer memory)
        where TAny : struct, ISimd<TLanes>
    {
        HeadLayout layout = HeadLayout.For(headSize, rowCount);
        IntegerHeads heads = new(memory.Pointer, FrameCount, 3 + rowCount, HeadCount, headSize, headSize, type, kernel);
        for (int head = 0; head < HeadCount; head++)
            HeadQuantiser<TAny, TLanes>.Run(values.Pointer + (head * layout.HeadStride), layout.RowStride, rowCount,
                heads, frame: 1, firstRow: 3, head);
        return heads;
    }

    private static AlignedBuffer Memory(int rowCount, int headSize, IntegerType type, IntegerKernel kernel)
        => AlignedBuffer.OfBytes(IntegerHeads.BytesOf(FrameCount, 3 + rowCount, HeadCount, headSize, type, kernel));

    /// <summary>Channels of many kinds: two-sided, far from 0, large, tiny, constant.</summary>
    private static AlignedBuffer Channels(int rowCount, int headSize)
    {
        HeadLayout layout = HeadLayout.For(headSize, rowCount);
        AlignedBuffer values = Values.Random(HeadCount * (int)layout.HeadStride, seed: headSize);
        for (int index = 0; index < values.Count; index++)
        {
            int channel = index % layout.RowStride;
            values.Pointer[index] = channel >= headSize ? float.NaN : (channel % 5) switch
            {
                1 => values.Pointer[index] + 1000,
                2 => values.Pointer[index] * 1e30f,
                3 => values.Pointer[index] * 1e-20f,
                4 => 2.5f,
                _ => values.Pointer[index],
            };
        }

        return values;
    }

    [Test]
    public void Values_are_within_half_a_level_of_their_channel([Values] IntegerType type,
        [ValueSource(nameof(s_headSizes))] int headSize, [Values(1, 2, 37)] int rowCount)
    {
        AlignedBuffer values = Channels(rowCount, headSize);
        HeadLayout layout = HeadLayout.For(headSize, rowCount);
        foreach (IntegerKernel kernel in s_kernels)
        {
            AlignedBuffer memory = Memory(rowCount, headSize, type, kernel);
            IntegerHeads heads = Round<TSimd, TVector>(values, rowCount, headSize, type, kernel, memory);
            int levels = type == IntegerType.Int8 ? 255 : 2 * type.MaxLevel(headSize);
            for (int head = 0; head < HeadCount; head++)
            {
                for (int channel = 0; channel < headSize; channel++)
                {
                    double[] column = [.. Enumerable.Range(0, rowCount).Select(row =>
                        (double)values.Pointer[(head * layout.HeadStride) + (row * layout.RowStride) + channel])];
                    double level = (column.Max() - column.Min()) / levels;
                    // Differences, scale and quotient are rounded, and so is the offset of a channel far from 0.
                    double bound = (level * (0.5 + (8 * Values.Roundoff * levels)))
                        + (2 * Values.Roundoff * column.Max(Math.Abs));
                    for (int row = 0; row < rowCount; row++)
                    {
                        Assert.That(Value(heads, 1, head, 3 + row, channel), Is.EqualTo(column[row]).Within(bound),
                            $"{kernel.Name}, channel {channel}, row {row}");
                        Assert.That(Level(heads, head, 3 + row, channel), Is.InRange(
                            type == IntegerType.Int8 ? 0 : -levels / 2, type == IntegerType.Int8 ? 255 : levels / 2));
                    }
                }
            }

            GC.KeepAlive(memory);
        }

        GC.KeepAlive(values);
    }

    [Test]
    public void Every_instruction_set_gives_the_same_bits([Values] IntegerType type,
        [ValueSource(nameof(s_headSizes))] int headSize)
    {
        const int RowCount = 21;
        AlignedBuffer values = Channels(RowCount, headSize);
        foreach (IntegerKernel kernel in s_kernels)
        {
            AlignedBuffer memory = Memory(RowCount, headSize, type, kernel);
            AlignedBuffer scalarMemory = Memory(RowCount, headSize, type, kernel);
            IntegerHeads heads = Round<TSimd, TVector>(values, RowCount, headSize, type, kernel, memory);
            IntegerHeads expected = Round<SimdScalar, float>(values, RowCount, headSize, type, kernel, scalarMemory);
            for (int head = 0; head < HeadCount; head++)
            {
                Assert.That(Values.Bits(new(heads.Scales(1, head), headSize)),
                    Is.EqualTo(Values.Bits(new(expected.Scales(1, head), headSize))));
                Assert.That(Values.Bits(new(heads.Offsets(1, head), headSize)),
                    Is.EqualTo(Values.Bits(new(expected.Offsets(1, head), headSize))));
                for (int row = 3; row < 3 + RowCount; row++)
                    Assert.That(Enumerable.Range(0, headSize).Select(channel => Level(heads, head, row, channel)),
                        Is.EqualTo(Enumerable.Range(0, headSize).Select(channel => Level(expected, head, row,
                            channel))));
            }

            GC.KeepAlive((memory, scalarMemory));
        }

        GC.KeepAlive(values);
    }

    [Test]
    public void A_channel_that_is_not_finite_has_the_scale_and_the_offset_NaN([Values] IntegerType type,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float wrong)
    {
        const int RowCount = 9, HeadSize = 72;
        HeadLayout layout = HeadLayout.For(HeadSize, RowCount);
        foreach (IntegerKernel kernel in s_kernels)
        {
            for (int channel = 0; channel < HeadSize; channel += 7)
            {
                AlignedBuffer values = Values.Random(HeadCount * (int)layout.HeadStride, seed: 1);
                values.Pointer[layout.HeadStride + (4 * layout.RowStride) + channel] = wrong;
                AlignedBuffer memory = Memory(RowCount, HeadSize, type, kernel);
                IntegerHeads heads = Round<TSimd, TVector>(values, RowCount, HeadSize, type, kernel, memory);
                for (int other = 0; other < HeadSize; other++)
                {
                    Assert.That(float.IsNaN(heads.Scales(1, 1)[other]), Is.EqualTo(other == channel));
                    Assert.That(float.IsNaN(heads.Offsets(1, 1)[other]), Is.EqualTo(other == channel));
                    Assert.That(float.IsNaN(heads.Scales(1, 0)[other]), Is.False);
                }

                GC.KeepAlive((values, memory));
            }
        }
    }
}
