using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>Attention with integers, with operands of exactly the size that it may access, compared with loops in
/// double precision.</summary>
[TestFixtureSource(typeof(IntegerFixtures), nameof(IntegerFixtures.KernelsWithSimd))]
internal sealed unsafe class ScopeAttentionIntegerTests<TSimd, TVector>(string kernelName) : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    // Blocks of one key, and several blocks, of which the last one is not full.
    private static readonly PatchGrid[] s_grids = [new(1, 1), new(3, 5), new(9, 13), new(17, 25)];

    private static readonly (int HeadCount, int HeadSize)[] s_heads = [(3, 4), (2, 34), (1, 64), (2, 72)];

    private readonly IntegerKernel _kernel = IntegerFixtures.Kernel(kernelName);

    /// <summary>Attention over random keys and values.</summary>
    private sealed class Case : IDisposable
    {
        private readonly TestModel _files;

        public Case((int HeadCount, int HeadSize) heads, PatchGrid grid, IntegerKernel kernel, IntegerType type)
        {
            Config = AttentionKernelTests<TSimd, TVector>.Config(heads) with { QueryGrid = new(7, 9) };
            Grid = grid;
            _files = new TestModel(Config);
            Model = new(_files.Model);
            Operands = AttentionKernelTests<TSimd, TVector>.Operands(Model, grid, ScopeStrategy.All[0],
                IntegerCosts.For(ModelLayers.All));
            Layout = HeadLayout.For(heads.HeadSize, Operands.PatchCount);
            Keys = Values.Random(heads.HeadCount * (int)Layout.HeadStride, seed: 1);
            HeadValues = Values.Random(heads.HeadCount * (int)Layout.HeadStride, seed: 2);
            Kernel = kernel;
            Type = type;
        }

        public ResamplerConfig Config { get; }

        public PatchGrid Grid { get; }

        public ModelOperands<TSimd, TVector> Model { get; }

        public GridOperands Operands { get; }

        public HeadLayout Layout { get; }

        public AlignedBuffer Keys { get; }

        public AlignedBuffer HeadValues { get; }

        private IntegerKernel Kernel { get; }

        private IntegerType Type { get; }

        /// <summary>The output of a scope, [M, D].</summary>
        public float[] Run(int scope)
        {
            AlignedBuffer keyMemory = Memory(), valueMemory = Memory();
            IntegerHeads keys = Round(Keys, keyMemory, Config.HeadSize);
            IntegerHeads values = Round(HeadValues, valueMemory, IntegerHeads.KeyBlock);
            TiledScope tiled = Operands.Tiled[scope]!;
            AlignedBuffer output = new(Config.QueryGrid.QueryCount * Config.HiddenSize);
            AlignedBuffer scratch = Values.Filled(ScopeAttentionInteger<TSimd, TVector>.ScratchCount(
                tiled.MaxLaneCount, keys, values), float.NaN);
            for (int tile = 0; tile < tiled.Tiles.Count; tile++)
                for (int head = 0; head < Config.AttentionHeadCount; head++)
                    ScopeAttentionInteger<TSimd, TVector>.Run(tiled, tile, head, Grid.Columns, keys, values, frame: 0,
                        firstRow: 0, output.Pointer, Config.HiddenSize, scratch.Pointer, null, 0);
            GC.KeepAlive((keyMemory, valueMemory, scratch, this));
            return output.Span.ToArray();
        }

        public double[] Expected(int scope)
        {
            AlignedBuffer queries = Model.Queries(scope, Grid);
            double[] expected = AttentionKernelTests<TSimd, TVector>.Attend(Model, Operands, scope,
                (query, head, patch) => AttentionKernelTests<TSimd, TVector>.Dot(queries,
                    (query * Config.HiddenSize) + (head * Config.HeadSize), Keys,
                    (head * Layout.HeadStride) + (patch * Layout.RowStride), Config.HeadSize),
                (head, patch, c) => HeadValues.Pointer[(head * Layout.HeadStride) + (patch * Layout.RowStride) + c]);
            GC.KeepAlive(this);
            return expected;
        }

        public void Dispose() => _files.Dispose();

        private AlignedBuffer Memory() => AlignedBuffer.OfBytes(IntegerHeads.BytesOf(1, Operands.PatchCount,
            Config.AttentionHeadCount, Config.HeadSize, Type, Kernel));

        private IntegerHeads Round(AlignedBuffer source, AlignedBuffer memory, int terms)
        {
            IntegerHeads heads = new(memory.Pointer, 1, Operands.PatchCount, Config.AttentionHeadCount,
                Config.HeadSize, terms, Type, Kernel);
            for (int head = 0; head < Config.AttentionHeadCount; head++)
                HeadQuantiser<TSimd, TVector>.Run(source.Pointer + (head * Layout.HeadStride), Layout.RowStride,
                    Operands.PatchCount, heads, frame: 0, firstRow: 0, head);
            return heads;
        }
    }

    /// <remarks>With 8 bits, uniformly distributed values have an error of 1/√12 of 255 levels where their deviation is
    /// 255/√12 levels: 0.4 %. The same holds for keys, and twice as much for queries, whose error in a logit of about 1
    /// changes a weight by as much. Weights between 0 and 127 levels add 1/√12 of a level, 1 % if their mean is 30: the
    /// sum is below 2 %. With 16 bits there are at least 3,344/127 = 26 times as many levels.</remarks>
    [Test]
    public void Averages_agree_with_loops([Values] IntegerType type, [Range(0, 3)] int heads, [Range(0, 3)] int grid)
    {
        using Case @case = new(s_heads[heads], s_grids[grid], _kernel, type);
        using (Assert.EnterMultipleScope())
        {
            for (int scope = 0; scope < @case.Config.Scopes.Count; scope++)
                Assert.That(Tolerances.RelativeError(@case.Run(scope), @case.Expected(scope)),
                    Is.LessThan(type == IntegerType.Int8 ? 2e-2 : 2e-2 / 26), @case.Config.Scopes[scope].Name);
        }
    }

    [Test]
    public void The_average_of_equal_values_is_exact([Values] IntegerType type)
    {
        using Case @case = new((2, 34), new(9, 13), _kernel, type);
        for (int index = 0; index < @case.HeadValues.Count; index++)
            @case.HeadValues.Pointer[index] = index % @case.Layout.RowStride / 7f;
        for (int scope = 0; scope < @case.Config.Scopes.Count; scope++)
            Assert.That(@case.Run(scope).Select((value, index) => value - (index % 34 / 7f)), Is.All.EqualTo(0),
                @case.Config.Scopes[scope].Name);
    }

    /// <summary>All other weights are below half a level. What remains is half a level of the value.</summary>
    [Test]
    public void One_large_logit_selects_its_value([Values] IntegerType type)
    {
        using Case @case = new((1, 64), new(1, 101), _kernel, type);
        AlignedBuffer queries = @case.Model.Queries(3, @case.Grid);
        for (int c = 0; c < 64; c++)
            @case.Keys.Pointer[(57 * @case.Layout.RowStride) + c] = 1e4f * queries.Pointer[c];
        float[] found = @case.Run(scope: 3);
        for (int c = 0; c < 64; c++)
            Assert.That(found[c], Is.EqualTo(@case.HeadValues.Pointer[(57 * @case.Layout.RowStride) + c])
                .Within(type == IntegerType.Int8 ? 1.01 / 255 : 1.01 / (2 * 3344)));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    public void A_key_that_is_not_finite_makes_its_head_NaN(float wrong)
    {
        using Case @case = new((2, 34), new(9, 13), _kernel, IntegerType.Int8);
        @case.Keys.Pointer[@case.Layout.HeadStride + (7 * @case.Layout.RowStride) + 33] = wrong;
        Assert.That(@case.Run(scope: 3).Select((value, index) => float.IsNaN(value) == (index % 68 >= 34)),
            Is.All.True);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_value_that_is_not_finite_makes_its_channel_NaN(float wrong)
    {
        using Case @case = new((2, 34), new(9, 13), _kernel, IntegerType.Int16);
        @case.HeadValues.Pointer[@case.Layout.HeadStride + (7 * @case.Layout.RowStride) + 33] = wrong;
        Assert.That(@case.Run(scope: 3).Select((value, index) => float.IsNaN(value) == (index % 68 == 67)),
            Is.All.True);
    }

    /// <summary>A logit that left float32 could be −∞, a weight of 0 as if the key were masked.</summary>
    [Test]
    public void Logits_beyond_float32_are_NaN([Values] IntegerType type)
    {
        using Case @case = new((1, 64), new(3, 5), _kernel, type);
        AlignedBuffer queries = @case.Model.Queries(3, @case.Grid);
        for (int c = 0; c < 64; c++)
            @case.Keys.Pointer[(4 * @case.Layout.RowStride) + c] = queries.Pointer[c] < 0 ? 1.5e38f : -1.5e38f;
        float norm = 0;
        for (int c = 0; c < 64; c++)
            norm += MathF.Abs(queries.Pointer[c]);
        Assert.That(norm * 1.5e38f, Is.EqualTo(float.PositiveInfinity), "the case");
        Assert.That(@case.Run(scope: 3)[..64], Is.All.NaN);
    }
}
