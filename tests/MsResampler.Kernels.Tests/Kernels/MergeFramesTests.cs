using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The merge of the frames of groups, compared with loops in double precision.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class MergeFramesTests
{
    private const int QueryCount = 5;
    private const int ScopeCount = 2;
    private const int HeadCount = 3;
    private const int Heads = ScopeCount * HeadCount;

    /// <summary>Rows that belong to images: the kernel may not read or write them.</summary>
    private const int ImageRows = 7;

    private static readonly int[] s_frameCounts = [2, 1, 5, 9];

    /// <summary>float32 and the types of 16 bits.</summary>
    private static IEnumerable<Bits16Type?> Types => [null, .. Bits16Type.All];

    /// <summary>Odd numbers of vectors, and more of them in a row than one block has threads.</summary>
    [Test]
    public void Groups_agree_with_loops([ValueSource(nameof(Types))] object? type,
        [Values(1, 3, 8, 23)] int headVectors, [Values] bool hasOffsets)
        => Check(new Case((Bits16Type?)type, headVectors, hasOffsets ? Values.Normal : (_, _) => []));

    /// <summary>All frames have an offset of about −10⁶, as with a narrow Gaussian: the float next to it is 0.06
    /// away.</summary>
    [Test]
    public void Large_offsets_do_not_take_precision([ValueSource(nameof(Types))] object? type)
        => Check(new Case((Bits16Type?)type, 2, (count, seed)
            => [.. Values.Normal(count, seed).Select(value => value - 1e6)]));

    [Test]
    public void Offsets_beyond_float32_keep_their_order()
    {
        FrameOffset[] offsets = [.. new[] { double.NegativeInfinity, -1e300, -1e299, -1e40, -3e38, -2e30, -1e30, 0 }
            .Select(FrameOffset.Of)];
        for (int index = 1; index < offsets.Length; index++)
            Assert.That((double)offsets[index].High - offsets[index - 1].High, Is.GreaterThan(1e6), $"{index}");
        Check(new Case(null, 2, (count, _) => [.. Enumerable.Repeat(double.NegativeInfinity, count)]));
    }

    [Test]
    public void A_frame_that_is_far_below_the_others_has_no_share_but_its_NaN_reaches_the_token(
        [ValueSource(nameof(Types))] object? type)
    {
        Case @case = new((Bits16Type?)type, 1, (count, _) => new double[count]);
        // Frame 1 of the group of five frames.
        int frame = s_frameCounts[0] + s_frameCounts[1] + 1;
        for (int index = 0; index < QueryCount * Heads; index++)
            @case.LogSums[(frame * QueryCount * Heads) + index] = -1000;
        Check(@case);
        int channels = @case.Channels;
        @case.Parts[(((frame * QueryCount) + 2) * Heads * channels) + (4 * channels) + 1] = float.NaN;
        double[] found = @case.Run();
        Assert.That(Enumerable.Range(0, found.Length).Where(index => double.IsNaN(found[index])),
            Is.EqualTo(new[] { (((2 * QueryCount) + 2) * Heads * channels) + (4 * channels) + 1 }));
    }

    [Test]
    public void A_log_sum_that_is_NaN_makes_the_head_of_the_token_NaN([ValueSource(nameof(Types))] object? type)
    {
        Case @case = new((Bits16Type?)type, 1, (count, _) => new double[count]);
        @case.LogSums[((QueryCount + 3) * Heads) + 5] = float.NaN;
        double[] found = @case.Run();
        Assert.That(Enumerable.Range(0, found.Length).Where(index => double.IsNaN(found[index])),
            Is.EqualTo(Enumerable.Range(((3 * Heads) + 5) * @case.Channels, @case.Channels)));
    }

    [Test]
    public void Rows_are_read_and_written_once_in_whole_vectors([ValueSource(nameof(Types))] object? type)
    {
        const int HeadVectors = 16;
        Case @case = new((Bits16Type?)type, HeadVectors, Values.Normal);
        @case.Run();
        LaunchReport report = @case.Report!;
        long rowVectors = Heads * HeadVectors;
        long frames = s_frameCounts.Sum();
        using (Assert.EnterMultipleScope())
        {
            // 96 vectors: three warps.
            Assert.That(report.Count("ld.global.v4"), Is.EqualTo((frames + s_frameCounts.Length) * QueryCount * 3),
                "rows, and the fields of a group");
            Assert.That(report.Count("st.global.v4"), Is.EqualTo(s_frameCounts.Length * QueryCount * 3));
            Assert.That(report.Count("ld.global.v2"), Is.EqualTo(3 * frames * QueryCount * 3), "offsets");
            Assert.That(report.GlobalStoreBytes, Is.EqualTo(s_frameCounts.Length * QueryCount * rowVectors * 16));
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            Assert.That(report.Barriers, Is.Zero);
        }
    }

    private static void Check(Case @case)
    {
        double[] found = @case.Run();
        double[] expected = @case.Expected();
        if (@case.Type is null)
        {
            Assert.That(Tolerances.RelativeError([.. found.Select(value => (float)value)], expected),
                Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions));
            return;
        }

        using (Assert.EnterMultipleScope())
        {
            for (int index = 0; index < expected.Length; index++)
            {
                Assert.That(found[index], Is.EqualTo(expected[index])
                    .Within(@case.Type.Tolerance(expected[index], 1e-5)), $"element {index}");
            }
        }
    }

    /// <summary>Groups of <see cref="s_frameCounts"/> frames, whose tokens follow those of some images.</summary>
    private sealed class Case
    {
        private readonly double[] _offsets;
        private readonly int _headVectors;

        public Case(Bits16Type? type, int headVectors, Func<int, int, IEnumerable<double>> offsets)
        {
            Type = type;
            _headVectors = headVectors;
            int count = s_frameCounts.Sum() * QueryCount * Heads;
            Parts = Values.Normal(count * Channels, 1);
            if (type is not null)
                Parts = [.. Parts.Select(type.Round)];
            LogSums = [.. Values.Normal(count, 2).Select(value => 3 * value)];
            _offsets = [.. offsets(count, 3)];
        }

        public Case(Bits16Type? type, int headVectors, Func<int, int, float[]> offsets)
            : this(type, headVectors, (count, seed) => offsets(count, seed).Select(value => (double)value))
        {
        }

        public Bits16Type? Type { get; }

        /// <summary>Channels of a head.</summary>
        public int Channels => _headVectors * (Type is null ? 4 : 8);

        /// <summary>[frames, queries, heads of all scopes, channels].</summary>
        public float[] Parts { get; }

        /// <summary>[frames, queries, heads of all scopes].</summary>
        public float[] LogSums { get; }

        /// <summary>The counters of the last run.</summary>
        public LaunchReport? Report { get; private set; }

        private static int TokenRows => ImageRows + (s_frameCounts.Length * QueryCount);

        /// <summary>The tokens of the groups, [groups, queries, heads of all scopes, channels].</summary>
        public double[] Run()
        {
            KernelVariant variant = Type is null ? new(typeof(MergeFrames<Float4, Float32Vector>), 128, 1)
                : Type == Bits16Type.Float16 ? new(typeof(MergeFrames<UInt4, Float16Vector>), 128, 1)
                : new(typeof(MergeFrames<UInt4, BFloat16Vector>), 128, 1);
            using EmulatorDevice device = new(architecture: 80);
            using IDeviceStream stream = device.CreateStream();
            IDeviceKernel kernel = device.Load(variant.Compile(EmulatorHost.Compiler, 80));
            int rowBytes = Heads * _headVectors * 16;
            using IDeviceMemory rows = device.Allocate((TokenRows + (Parts.Length / Channels / Heads)) * rowBytes);
            using IDeviceMemory logSums = device.Allocate(((TokenRows * Heads) + LogSums.Length) * sizeof(float));
            // Token rows stay uninitialised, so that reading one fails.
            stream.Upload(Type is null ? MemoryMarshal.AsBytes<float>(Parts)
                : MemoryMarshal.AsBytes<ushort>([.. Parts.Select(Type.Encode)]), rows, TokenRows * rowBytes);
            stream.Upload(MemoryMarshal.AsBytes<float>(LogSums), logSums, TokenRows * Heads * sizeof(float));

            // The frames' tables lie in reverse order.
            int frameCount = s_frameCounts.Sum();
            int table = QueryCount * Heads;
            int[] starts = [.. Enumerable.Range(0, frameCount).Select(frame
                => _offsets.Length == 0 ? -1 : (frameCount - 1 - frame) * table)];
            FrameOffset[] offsets = [.. Enumerable.Range(0, _offsets.Length).Select(index => FrameOffset.Of(
                _offsets[((frameCount - 1 - (index / table)) * table) + (index % table)])), default];
            List<MergedGroup> groups = [];
            int first = 0;
            foreach (int count in s_frameCounts)
            {
                groups.Add(new MergedGroup
                {
                    FirstToken = ImageRows + (groups.Count * QueryCount),
                    FirstPart = TokenRows + (first * QueryCount),
                    FrameCount = count,
                    FirstFrame = first,
                });
                first += count;
            }

            KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
            arguments.Add(Upload<MergedGroup>([.. groups]), Upload(starts), Upload(offsets), DeviceView.Of(logSums),
                DeviceView.Of(rows));
            arguments.Add(new AttentionShape
            {
                ScopeCount = ScopeCount,
                HeadCount = HeadCount,
                HeadVectors = _headVectors,
            });
            arguments.Add(QueryCount);
            stream.Launch(kernel, new LaunchSize(groups.Count * QueryCount, ((Heads * _headVectors) + 127) / 128, 128),
                arguments.Bytes);
            Report = device.Reports[^1].Report;

            byte[] found = new byte[groups.Count * QueryCount * rowBytes];
            stream.Download(rows, found, ImageRows * rowBytes);
            return Type is null ? [.. MemoryMarshal.Cast<byte, float>(found).ToArray()]
                : [.. MemoryMarshal.Cast<byte, ushort>(found).ToArray().Select(bits => (double)Type.Decode(bits))];

            DeviceView Upload<T>(T[] values)
                where T : unmanaged
            {
                IDeviceMemory memory = device.Allocate(MemoryMarshal.AsBytes<T>(values).Length);
                stream.Upload(MemoryMarshal.AsBytes<T>(values), memory);
                return DeviceView.Of(memory);
            }
        }

        public double[] Expected()
        {
            int table = QueryCount * Heads;
            List<double> expected = [];
            int first = 0;
            foreach (int count in s_frameCounts)
            {
                for (int place = 0; place < table; place++)
                {
                    double[] offsets = [.. Enumerable.Range(first, count).Select(frame
                        => _offsets.Length == 0 ? 0 : _offsets[(frame * table) + place])];
                    double[] logSums = [.. offsets.Select((offset, frame)
                        => LogSums[((first + frame) * table) + place]
                            + (offset == offsets.Max() ? 0 : offset - offsets.Max()))];
                    double[] weights = [.. logSums.Select(logSum => Math.Pow(2, logSum - logSums.Max()))];
                    for (int channel = 0; channel < Channels; channel++)
                    {
                        expected.Add(Enumerable.Range(0, count).Sum(frame => weights[frame] / weights.Sum()
                            * Parts[((((first + frame) * table) + place) * Channels) + channel]));
                    }
                }

                first += count;
            }

            return [.. expected];
        }
    }
}
