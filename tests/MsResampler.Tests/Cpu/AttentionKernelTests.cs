using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu;

/// <summary>Each attention kernel and the gate, with operands of exactly the size that they may access, compared with
/// loops in double precision.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class AttentionKernelTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private static readonly PatchGrid[] s_grids = [new(1, 1), new(3, 5), new(9, 13), new(1, 101)];

    // Heads narrower than a vector, heads that are not a multiple of any vector, and heads wider than a panel.
    private static readonly (int HeadCount, int HeadSize)[] s_heads = [(1, 68), (3, 4), (5, 12), (17, 4), (2, 34)];

    internal static ResamplerConfig Config((int HeadCount, int HeadSize) heads) => Configs.Of(Configs.Window(2, 3),
        Configs.Gaussian(1.5, 2.5), Configs.Gaussian(0.7, 1, new AxisPair(4, 3)), Configs.None) with
    {
        HiddenSize = heads.HeadCount * heads.HeadSize,
        AttentionHeadCount = heads.HeadCount,
        QueryGrid = new QueryGrid(3, 5),
        Gate = new GateConfig(9, heads.HeadCount % 2 == 0 ? GateGranularity.Token : GateGranularity.Head),
    };

    internal static GridOperands Operands(ModelOperands<TSimd, TVector> model, PatchGrid grid, ScopeStrategy strategy,
        CostModel costs)
    {
        int lanes = costs.PaddedLanes(model.Config.AttentionHeadCount);
        Planner planner = new(model.Config, true, costs, _ => strategy);
        using WorkerPool workers = new(1);
        return new GridOperandsBuilder<TSimd, TVector>(model, lanes, new GridParts(), workers).Build(
            GridPlan.Create(planner.Plan(grid), model.Config, lanes));
    }

    internal static double Dot(AlignedBuffer a, long aStart, AlignedBuffer b, long bStart, int count)
    {
        double sum = 0;
        for (int k = 0; k < count; k++)
            sum += (double)a.Pointer[aStart + k] * b.Pointer[bStart + k];
        return sum;
    }

    /// <summary>The attention result of one scope, [M, D]: softmax in base 2 over the window of (query·key + bias),
    /// times the values.</summary>
    internal static double[] Attend(ModelOperands<TSimd, TVector> model, GridOperands grid, int scope,
        Func<int, int, int, double> logit, Func<int, int, int, double> value)
    {
        ResamplerConfig config = model.Config;
        ScopeWindows windows = grid.Plan.Scopes[scope].Windows;
        ScopeBias bias = new(config.Scopes[scope], windows, config.QueryGrid, null);
        double[] result = new double[config.QueryGrid.QueryCount * config.HiddenSize];
        for (int query = 0; query < config.QueryGrid.QueryCount; query++)
        {
            (int qi, int qj) = Math.DivRem(query, config.QueryGrid.Columns);
            (AxisRange rows, AxisRange columns) = (windows.Rows[qi], windows.Columns[qj]);
            float[] rowBias = new float[rows.Count];
            float[] columnBias = new float[columns.Count];
            bias.FillRows(qi, 0, rows, rowBias, 1);
            bias.FillColumns(qj, 0, columns, columnBias, 1);
            int[] patches = [.. Enumerable.Range(0, rows.Count * columns.Count).Select(key =>
                ((rows.Start + (key / columns.Count)) * grid.Plan.Grid.Columns) + columns.Start +
                    (key % columns.Count))];
            for (int head = 0; head < config.AttentionHeadCount; head++)
            {
                double[] weights = [.. patches.Select((patch, key) => logit(query, head, patch)
                    + rowBias[key / columns.Count] + columnBias[key % columns.Count])];
                double best = weights.Max();
                weights = [.. weights.Select(weight => Math.Pow(2, weight - best))];
                double total = weights.Sum();
                for (int c = 0; c < config.HeadSize; c++)
                    result[(query * config.HiddenSize) + (head * config.HeadSize) + c] =
                        patches.Select((patch, key) => weights[key] * value(head, patch, c)).Sum() / total;
            }
        }

        return result;
    }

    private static float[] Packed(AlignedBuffer output, int stride, int rows, int width)
        => [.. Enumerable.Range(0, rows).SelectMany(row => output.Span.Slice(row * stride, width).ToArray())];

    private static int SizeOf(int rows, int stride, int width) => ((rows - 1) * stride) + width;

    [Test]
    public void Attention_over_projected_keys_agrees_with_loops([Range(0, 4)] int heads, [Range(0, 3)] int gridIndex)
        => CheckProjected(Config(s_heads[heads]), s_grids[gridIndex], CpuEngine<TSimd, TVector>.Costs);

    /// <summary>Plans that are the same on every instruction set have tiles that are wider than those of narrow
    /// vectors.</summary>
    [Test]
    public void Tiles_of_every_width_agree_with_loops([Values(16, 32, 48, 64)] int lanes)
        => CheckProjected(Config((2, 34)) with { QueryGrid = new QueryGrid(7, 9) }, new PatchGrid(9, 13),
            new CostModel([lanes], [1]));

    private static void CheckProjected(ResamplerConfig config, PatchGrid grid, CostModel costs)
    {
        using TestModel files = new(config);
        ModelOperands<TSimd, TVector> model = new(files.Model);
        GridOperands operands = Operands(model, grid, ScopeStrategy.All[0], costs);
        HeadLayout layout = HeadLayout.For(config.HeadSize, operands.PatchCount);
        int count = (config.AttentionHeadCount - 1) * (int)layout.HeadStride
            + SizeOf(operands.PatchCount, layout.RowStride, config.HeadSize);
        AlignedBuffer keys = Values.Random(count, seed: 1);
        // Rows of values are read up to their stride.
        AlignedBuffer values = Values.Random(config.AttentionHeadCount * (int)layout.HeadStride, seed: 2);
        int stride = config.HiddenSize + 3;
        for (int scope = 0; scope < config.Scopes.Count; scope++)
        {
            TiledScope tiled = operands.Tiled[scope]!;
            AlignedBuffer output = new(SizeOf(config.QueryGrid.QueryCount, stride, config.HiddenSize));
            AlignedBuffer scratch = Values.Filled(
                ScopeAttentionTiled<TSimd, TVector>.ScratchCount(tiled.MaxLaneCount, config.HeadSize), float.NaN);
            for (int tile = 0; tile < tiled.Tiles.Count; tile++)
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    ScopeAttentionTiled<TSimd, TVector>.Run(tiled, tile, head, grid.Columns, keys.Pointer,
                        values.Pointer, layout, output.Pointer, stride, scratch.Pointer,
                        nextTile: (head % tiled.Tiles.Count) - 1);

            AlignedBuffer queries = model.Queries(scope, grid);
            double[] expected = Attend(model, operands, scope,
                (query, head, patch) => Dot(queries, (query * config.HiddenSize) + (head * config.HeadSize), keys,
                    (head * layout.HeadStride) + (patch * layout.RowStride), config.HeadSize),
                (head, patch, c) => values.Pointer[(head * layout.HeadStride) + (patch * layout.RowStride) + c]);
            Assert.That(Tolerances.RelativeError(
                Packed(output, stride, config.QueryGrid.QueryCount, config.HiddenSize), expected),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision), config.Scopes[scope].Name);
            GC.KeepAlive((keys, values, output, scratch));
        }
    }

    [Test]
    public void Attention_over_absorbed_keys_agrees_with_loops([Range(0, 4)] int heads, [Range(0, 3)] int gridIndex,
        [Values] bool areValuesAbsorbed)
    {
        ResamplerConfig config = Config(s_heads[heads]);
        PatchGrid grid = s_grids[gridIndex];
        using TestModel files = new(config);
        ModelOperands<TSimd, TVector> model = new(files.Model);
        GridOperands operands = Operands(model, grid, ScopeStrategy.All[areValuesAbsorbed ? 2 : 1],
            CpuEngine<TSimd, TVector>.Costs);
        int width = config.HiddenSize;
        int headSize = config.HeadSize;
        int queryCount = config.QueryGrid.QueryCount;
        int featureStride = ForwardPass<TSimd, TVector>.RowStrideOf(width);
        AlignedBuffer features = Values.Random(operands.PatchCount * featureStride, seed: 1);
        HeadLayout layout = HeadLayout.For(headSize, operands.PatchCount);
        // The buffer includes the part behind the values that a tile may read.
        AlignedBuffer values = Values.Random((config.AttentionHeadCount * (int)layout.HeadStride)
            + MicroKernel<TSimd, TVector>.PanelWidth, seed: 2);
        int stride = width + 3;
        for (int scope = 0; scope < config.Scopes.Count; scope++)
        {
            AbsorbedScope absorbed = operands.Absorbed[scope]!;
            AlignedBuffer output = new(SizeOf(queryCount, stride, width));
            AlignedBuffer scratch = Values.Filled(
                ScopeAttentionAbsorbed<TSimd, TVector>.ScratchCount(absorbed, headSize), float.NaN);
            int weightCount = absorbed.MaxKeyCount * absorbed.LaneCount;
            AlignedBuffer probabilities = new(queryCount * weightCount);
            for (int query = 0; query < queryCount; query++)
            {
                ScopeAttentionAbsorbed<TSimd, TVector>.ComputeWeights(absorbed, query, width, features.Pointer,
                    featureStride, scratch.Pointer, query + 1 < queryCount ? absorbed.Queries(query + 1) : null);
                if (!areValuesAbsorbed)
                    ScopeAttentionAbsorbed<TSimd, TVector>.SumValues(absorbed, query, config.AttentionHeadCount,
                        values.Pointer, layout, output.Pointer + (query * stride), scratch.Pointer);
                scratch.Span[..weightCount].CopyTo(probabilities.Span[(query * weightCount)..]);
            }

            if (areValuesAbsorbed)
            {
                const int TaskQueries = 6;
                AlignedBuffer sums = Values.Filled(AbsorbedValues<TSimd, TVector>.ScratchCount(config,
                    model.Scopes[scope].Values, TaskQueries, absorbed.MaxKeyCount), float.NaN);
                FrameStack stack = new();
                stack.AddImage(operands);
                for (int task = 0; task < AbsorbedValues<TSimd, TVector>.TaskCount(config, TaskQueries); task++)
                    AbsorbedValues<TSimd, TVector>.Run(
                        new WeightedRows<TSimd, TVector>(stack, 0, scope, probabilities.Pointer, [0], features.Pointer,
                            featureStride),
                        AbsorbedValues<TSimd, TVector>.TaskOf(config, TaskQueries, task),
                        model.Scopes[scope].HeadValues, config, null, output.Pointer, stride, sums.Pointer);
                GC.KeepAlive(sums);
            }

            AlignedBuffer queries = model.Queries(scope, grid);
            double[] keyWeight = files.Model.Weights.Scopes[scope].KeyProjection.Weight.ToDouble();
            double[] valueWeight = files.Model.Weights.Scopes[scope].ValueProjection.Weight.ToDouble();
            double Project(double[] weight, int channel, int patch)
            {
                double sum = 0;
                for (int k = 0; k < width; k++)
                    sum += weight[(channel * width) + k] * features.Pointer[(patch * featureStride) + k];
                return sum;
            }

            double[][] keys = [.. Enumerable.Range(0, operands.PatchCount).Select(patch =>
                Enumerable.Range(0, width).Select(channel => Project(keyWeight, channel, patch)).ToArray())];
            double[] expected = Attend(model, operands, scope,
                (query, head, patch) => Enumerable.Range(head * headSize, headSize).Sum(channel =>
                    queries.Pointer[(query * width) + channel] * keys[patch][channel]),
                // The bias of v_proj is folded into that of out_proj.
                (head, patch, c) => areValuesAbsorbed ? Project(valueWeight, (head * headSize) + c, patch)
                    : values.Pointer[(head * layout.HeadStride) + (patch * layout.RowStride) + c]);
            Assert.That(Tolerances.RelativeError(Packed(output, stride, queryCount, width), expected),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision), config.Scopes[scope].Name);
            GC.KeepAlive((features, values, output, scratch));
            GC.KeepAlive(probabilities);
        }
    }

    /// <summary>The whole forward pass, with every buffer of the engine and the caller's features and tokens ending
    /// at a guard page.</summary>
    [Test]
    public void A_forward_pass_accesses_nothing_behind_features_and_tokens(
        [Range(0, 4)] int heads, [Range(0, 2)] int strategy)
    {
        ResamplerConfig config = Config(s_heads[heads]) with { VisionHiddenSize = 7, OutputSize = 11 };
        using TestModel files = new(config);
        using CpuEngine<TSimd, TVector> engine = new("test", files.Model, new ResamplerOptions { ThreadCount = 1 },
            _ => ScopeStrategy.All[strategy]);
        PatchGrid[] grids = [.. s_grids, s_grids[1]];
        float[][] features = [.. grids.Select((grid, image) => files.RandomFeatures(grid, image))];
        AlignedBuffer input = AlignedBuffer.Copy([.. features.SelectMany(values => values)]);
        int tokenCount = config.QueryGrid.QueryCount * config.OutputSize;
        AlignedBuffer tokens = new(grids.Length * tokenCount);

        engine.Resample(input.Span, grids, tokens.Span, default);

        for (int image = 0; image < grids.Length; image++)
            Assert.That(Tolerances.RelativeError(tokens.Span.Slice(image * tokenCount, tokenCount),
                files.Reference.Resample(features[image], grids[image])),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{grids[image]}");
    }
}
