using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Cpu;

/// <summary>Weights in memory as a checkpoint stores them give the bits of weights in float32.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class WeightStorageTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private static readonly TensorType[] s_types = [TensorType.BF16, TensorType.F16];

    private static readonly PatchGrid[] s_grids = [new(9, 7), new(2, 11), new(24, 24), new(9, 7)];

    /// <summary>Heads of whole panels on every instruction set, and of parts of panels.</summary>
    private static ResamplerConfig Config(int headSize) => Configs.Mixed with
    {
        VisionHiddenSize = 37,
        HiddenSize = 3 * headSize,
        OutputSize = 101,
    };

    private static CpuEngine<TSimd, TVector> Load(ResamplerModel model, WeightStorage storage, int threadCount = 2,
        ScopeStrategy? strategy = null)
        => new("test", model, new ResamplerOptions
        {
            ThreadCount = threadCount,
            ProcessorCount = threadCount,
            WeightStorage = storage,
        }, choice => strategy ?? choice.Cheapest);

    private static float[] Resample(ModelEngine engine, float[] features, FrameGroups groups, int tokenCount)
    {
        float[] tokens = new float[groups.GroupCount * tokenCount];
        engine.Resample(features, groups, tokens, CancellationToken.None);
        return tokens;
    }

    private static int TokenCount(ResamplerConfig config) => config.QueryGrid.QueryCount * config.OutputSize;

    private static void AssertSameTokens(TestModel model, PatchGrid[] grids, ScopeStrategy? strategy, int threadCount)
    {
        ResamplerConfig config = model.Model.Config;
        using CpuEngine<TSimd, TVector> wide = Load(model.Model, WeightStorage.Float32, 1, strategy);
        using CpuEngine<TSimd, TVector> own = Load(model.Model, WeightStorage.AsStored, threadCount, strategy);
        float[] features = [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        // The second call has other chunks of rows in the memory of the threads.
        for (int call = 0; call < 2; call++)
        {
            float[] expected = Resample(wide, features, new FrameGroups(grids), TokenCount(config));
            float[] found = Resample(own, features, new FrameGroups(grids), TokenCount(config));
            Assert.That(expected, Has.None.NaN);
            Assert.That(Values.Bits(found), Is.EqualTo(Values.Bits(expected)), $"call {call}");
        }
    }

    [Test]
    public void Tokens_have_the_same_bits_with_every_strategy([ValueSource(nameof(s_types))] TensorType type,
        [Range(0, 2)] int strategy, [Values(20, 64)] int headSize, [Values] bool isShared)
    {
        using TestModel model = new(Config(headSize) with { ShareKeyValues = isShared },
            new RandomModelOptions { Type = type });

        AssertSameTokens(model, s_grids, ScopeStrategy.All[strategy], threadCount: 1 + strategy);
    }

    /// <summary>The product of a layer whose result is normalised has weights without their mean, and queries are
    /// projected for each grid.</summary>
    [Test]
    public void Tokens_have_the_same_bits_without_a_gate_and_with_anchors(
        [ValueSource(nameof(s_types))] TensorType type, [Values] bool isStacked, [Values] bool hasLayout)
    {
        ResamplerConfig config = Configs.Of(Configs.None) with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
            VisionHiddenSize = 33,
        };
        using TestModel model = new(config,
            new RandomModelOptions { Type = type, StackInputProjections = isStacked, UsePublishedNames = hasLayout });

        AssertSameTokens(model, s_grids, strategy: null, threadCount: 2);
    }

    [Test]
    public void Groups_of_frames_have_the_same_bits([ValueSource(nameof(s_types))] TensorType type,
        [Range(0, 2)] int strategy)
    {
        using TestModel model = new(Config(64), new RandomModelOptions { Type = type });
        using CpuEngine<TSimd, TVector> wide = Load(model.Model, WeightStorage.Float32, 2, ScopeStrategy.All[strategy]);
        using CpuEngine<TSimd, TVector> own = Load(model.Model, WeightStorage.AsStored, 3, ScopeStrategy.All[strategy]);
        float[] features = [.. s_grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        FrameGroups groups = new(s_grids, [0, 1, 5, -1], [3, 1]);
        int tokenCount = TokenCount(model.Model.Config);

        Assert.That(Values.Bits(Resample(own, features, groups, tokenCount)),
            Is.EqualTo(Values.Bits(Resample(wide, features, groups, tokenCount))));
    }

    /// <summary>Random models with the extreme numbers of the type: the largest, subnormal ones, and −0.</summary>
    [Test]
    public void Tokens_have_the_same_bits_with_extreme_weights([ValueSource(nameof(s_types))] TensorType type,
        [Range(0, 2)] int strategy)
    {
        float smallest = type == TensorType.F16 ? 1f / (1 << 24) : BitConverter.UInt32BitsToSingle(0x0001_0000);
        float[] extremes = [smallest, -smallest, 3 * smallest, -0f, type == TensorType.F16 ? 65504 : 1e4f, 6e-5f];
        using TestModel model = new(Config(64), new RandomModelOptions { Type = type }, edit: tensor
            => tensor with
            {
                ValueAt = index => index % 97 == 5 ? extremes[index / 97 % extremes.Length] : tensor.ValueAt(index),
            });

        AssertSameTokens(model, s_grids, ScopeStrategy.All[strategy], threadCount: 2);
    }

    [Test]
    public void A_matrix_has_the_values_of_float32([ValueSource(nameof(s_types))] TensorType type,
        [Values] bool isStoredTransposed, [Values] bool isCentred)
    {
        using TestModel model = new(Configs.Of(Configs.None) with { OutputSize = 131 },
            new RandomModelOptions { Type = type, UsePublishedNames = isStoredTransposed });
        WeightTensor weight = model.Model.Weights.Projection.Weight;
        Assert.That(weight.IsStoredTransposed, Is.EqualTo(isStoredTransposed));
        PackedMatrix wide = PackedMatrix.FromTransposed<TSimd, TVector>(weight, default);
        PackedMatrix own = PackedMatrix.FromTransposed<TSimd, TVector>(weight, default, WeightStorage.AsStored);
        if (isCentred)
            Assert.That((wide.TrySubtractMeans(), own.TrySubtractMeans()), Is.EqualTo((true, true)));

        Assert.That(own.Type, Is.EqualTo(type == TensorType.F16 ? WeightType.Float16 : WeightType.BFloat16));
        Assert.That((wide.ScratchCount, own.ScratchCount), Is.EqualTo((0, own.PanelWidth * own.InnerCount)));
        double[] vector = [.. Values.Array(wide.InnerCount, seed: 1).Select(value => (double)value)];
        Assert.That(own.Multiply(vector), Is.EqualTo(wide.Multiply(vector)));
        Assert.That(Bits(own), Is.EqualTo(Bits(wide)));
        AlignedBuffer scratch = new(own.ScratchCount);
        for (int panel = 0; panel < own.PanelCount; panel++)
        {
            int count = own.WidthOf(panel) * own.InnerCount;
            Assert.That(Values.Bits(new ReadOnlySpan<float>(own.Panel(panel, scratch.Pointer), count)),
                Is.EqualTo(Values.Bits(new ReadOnlySpan<float>(wide.Panel(panel), count))), $"panel {panel}");
        }

        GC.KeepAlive((wide, own, scratch));

        int[] Bits(PackedMatrix matrix)
        {
            AlignedBuffer copy = new((long)matrix.ColumnCount * matrix.InnerCount);
            matrix.CopyWeightTo(copy.Pointer);
            return Values.Bits(copy.Span);
        }
    }

    /// <summary>Differences beyond float32 leave the weights as they are.</summary>
    [Test]
    public void Means_beyond_float32_are_not_subtracted()
    {
        const float Largest = 3.3e38f;
        using TestModel model = new(Configs.Of(Configs.None), new RandomModelOptions { Type = TensorType.BF16 },
            edit: tensor => tensor.Name != "kv_proj.weight" ? tensor
                : tensor with { ValueAt = index => index == 0 ? -Largest : Largest });
        WeightTensor weight = model.Model.Weights.KeyValueInput!;
        PackedMatrix own = PackedMatrix.FromTransposed<TSimd, TVector>(weight, default, WeightStorage.AsStored);
        AlignedBuffer copy = new((long)own.ColumnCount * own.InnerCount);

        Assert.That(own.TrySubtractMeans(), Is.False);

        own.CopyWeightTo(copy.Pointer);
        Assert.That(Values.Bits(copy.Span), Is.EqualTo(Values.Bits(weight.ToSingle())));
    }

    [Test]
    public void Sixteen_bits_take_half_the_memory([ValueSource(nameof(s_types))] TensorType type,
        [Values] bool isShared)
    {
        // Whole panels, so that nothing is padded.
        ResamplerConfig config = Config(64) with
        {
            VisionHiddenSize = 192,
            OutputSize = 256,
            ShareKeyValues = isShared,
            Gate = new GateConfig(64, GateGranularity.Token),
        };
        using TestModel model = new(config, new RandomModelOptions { Type = type });
        using CpuEngine<TSimd, TVector> wide = Load(model.Model, WeightStorage.Float32);
        using CpuEngine<TSimd, TVector> own = Load(model.Model, WeightStorage.AsStored);
        float[] features = model.RandomFeatures(s_grids[0], 1);
        foreach (ModelEngine engine in new ModelEngine[] { wide, own })
            _ = Resample(engine, features, new FrameGroups(s_grids.AsSpan(0, 1)), TokenCount(config));

        long elements = model.Model.Weights.Matrices().Where(matrix => matrix.Layer != ModelLayers.None)
            .Sum(matrix => (long)matrix.Matrix.Count);
        // kv_proj has a mean in double precision for each of its rows in addition.
        Assert.That(own.WeightBytes, Is.EqualTo(wide.WeightBytes - (2 * elements) + (8 * config.VisionHiddenSize)));
        Assert.That(wide.WeightBytes, Is.InRange(4 * elements, 4.1 * elements));
    }

    [Test]
    public void Matrices_of_float32_stay_in_float32([Values(TensorType.F32, TensorType.F64)] TensorType type)
    {
        using TestModel model = new(Configs.Mixed, new RandomModelOptions { Type = type });
        using CpuEngine<TSimd, TVector> wide = Load(model.Model, WeightStorage.Float32);
        using CpuEngine<TSimd, TVector> own = Load(model.Model, WeightStorage.AsStored);

        Assert.That(own.WeightBytes, Is.EqualTo(wide.WeightBytes));
        Assert.That(own.Description, Is.EqualTo(wide.Description).And.Not.Contains("16-bit"));
        AssertSameTokens(model, s_grids, strategy: null, threadCount: 2);
    }

    [Test]
    public void A_checkpoint_of_several_types_keeps_each_matrix_as_it_is_stored()
    {
        using TestModel source = new(Configs.Mixed);
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(Configs.Mixed));
        TensorType[] types = [TensorType.F32, TensorType.F16, TensorType.BF16];
        int index = 0;
        SafetensorsWriter.Write(folder.File("model.safetensors"), RandomModel
            .CreateTensors(Configs.Mixed, 1, new()).Select(tensor => tensor.ToWrite(types[index++ % types.Length])));
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        using CpuEngine<TSimd, TVector> wide = Load(model, WeightStorage.Float32);
        using CpuEngine<TSimd, TVector> own = Load(model, WeightStorage.AsStored);
        float[] features = source.RandomFeatures(s_grids[0], 1);
        FrameGroups groups = new(s_grids.AsSpan(0, 1));
        int tokenCount = TokenCount(model.Config);

        Assert.That(Values.Bits(Resample(own, features, groups, tokenCount)),
            Is.EqualTo(Values.Bits(Resample(wide, features, groups, tokenCount))));
        Assert.That(own.WeightBytes, Is.LessThan(wide.WeightBytes!.Value));
    }

    [Test]
    public void A_warm_call_does_not_allocate()
    {
        using TestModel model = new(Config(64), new RandomModelOptions { Type = TensorType.BF16 });
        using CpuEngine<TSimd, TVector> own = Load(model.Model, WeightStorage.AsStored, threadCount: 1);
        float[] features = model.RandomFeatures(s_grids[0], 1);
        float[] tokens = new float[TokenCount(model.Model.Config)];
        PatchGrid[] grids = [s_grids[0]];
        // The runtime allocates on this thread when it recompiles a method, after dozens of calls; the engine would in
        // every call.
        long[] allocated = new long[100];
        for (int call = 0; call < allocated.Length; call++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            own.Resample(features, grids, tokens, default);
            allocated[call] = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.That(allocated, Has.Some.Zero);
    }
}
