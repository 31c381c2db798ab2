using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using MsResampler.Cpu.Simd;

namespace MsResampler.Perf.Kernels;

/// <summary>The engine's CPU kernels for one instruction set, as actions that can run repeatedly.</summary>
internal abstract class KernelSet
{
    /// <summary>The kernels of a variant of the CPU backend.</summary>
    public static KernelSet Of(CpuVariant variant) => variant.Name switch
    {
        "avx512" => new KernelSet<Simd512, Vector512<float>>(),
        "avx2" => new KernelSet<Simd256, Vector256<float>>(),
        "vector128" => new KernelSet<Simd128, Vector128<float>>(),
        "scalar" => new KernelSet<SimdScalar, float>(),
        _ => throw new NotSupportedException(
            $"{variant.Name}: expected avx512, avx2, vector128 or scalar; add the new variant to {nameof(KernelSet)}"),
    };

    /// <summary>Runs multiply-adds in registers only.</summary>
    /// <param name="steps">Steps of every chain.</param>
    /// <returns>The number of floating-point operations.</returns>
    public abstract double MultiplyAddChains(long steps);

    /// <summary>Reads memory as fast as loads allow.</summary>
    /// <param name="data">The memory; at least 16 vectors.</param>
    /// <returns>The sum of the elements.</returns>
    public abstract float Read(AlignedBuffer data);

    /// <summary>Columns of the widest register tile.</summary>
    public abstract int PanelWidth { get; }

    /// <summary>A plan with its tasks of attention.</summary>
    public abstract GridPlan Cut(ExecutionPlan plan, ResamplerConfig config);

    /// <summary>The matrix product C = A·B with a packed B.</summary>
    /// <param name="a">A, [rows, inner].</param>
    /// <param name="b">Bᵀ, [columns, inner].</param>
    /// <param name="c">Receives C, [rows, columns].</param>
    /// <param name="shape">The extents.</param>
    /// <param name="threadCount">Threads.</param>
    public abstract Action Gemm(float[] a, float[] b, float[] c, GemmShape shape, int threadCount);

    /// <summary>Layer norms of <paramref name="rowCount"/> rows.</summary>
    public abstract Action LayerNorm(int rowCount, int width);

    /// <summary>Attention of a model's last scope on one image with one thread. Keys and values are already
    /// projected.</summary>
    public abstract Action ScopeAttention(ResamplerModel model, PatchGrid grid);

    /// <summary>The gate of a model on the tokens of one image, with one thread.</summary>
    public abstract Action Gate(ResamplerModel model);
}

/// <inheritdoc/>
internal sealed unsafe class KernelSet<TSimd, TVector> : KernelSet
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Two units with a latency of 4 or 5 cycles need 8 to 10 independent chains.</summary>
    private const int ChainCount = 12;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override double MultiplyAddChains(long steps)
    {
        // x·m + n is 1 for x = 1: no overflow, no denormals.
        TVector m = TSimd.Create(0.5f), n = TSimd.Create(0.5f);
        TVector c0 = TSimd.Create(1), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0, c8 = c0, c9 = c0,
            c10 = c0, c11 = c0;
        for (long step = 0; step < steps; step++)
        {
            c0 = TSimd.MultiplyAdd(c0, m, n);
            c1 = TSimd.MultiplyAdd(c1, m, n);
            c2 = TSimd.MultiplyAdd(c2, m, n);
            c3 = TSimd.MultiplyAdd(c3, m, n);
            c4 = TSimd.MultiplyAdd(c4, m, n);
            c5 = TSimd.MultiplyAdd(c5, m, n);
            c6 = TSimd.MultiplyAdd(c6, m, n);
            c7 = TSimd.MultiplyAdd(c7, m, n);
            c8 = TSimd.MultiplyAdd(c8, m, n);
            c9 = TSimd.MultiplyAdd(c9, m, n);
            c10 = TSimd.MultiplyAdd(c10, m, n);
            c11 = TSimd.MultiplyAdd(c11, m, n);
        }

        // The sum uses every chain, so that the compiler removes none.
        TVector sum = TSimd.Add(TSimd.Add(TSimd.Add(c0, c1), TSimd.Add(c2, c3)),
            TSimd.Add(TSimd.Add(c4, c5), TSimd.Add(c6, c7)));
        sum = TSimd.Add(sum, TSimd.Add(TSimd.Add(c8, c9), TSimd.Add(c10, c11)));
        return TSimd.Sum(sum) > 0 ? 2.0 * steps * ChainCount * TSimd.Width : throw new InvalidOperationException();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float Read(AlignedBuffer data)
    {
        // Eight independent sums, so that the latency of an addition does not limit the loads.
        TVector c0 = TSimd.Zero, c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
        float* end = data.Pointer + data.Count;
        for (float* next = data.Pointer; next + (8 * TSimd.Width) <= end; next += 8 * TSimd.Width)
        {
            c0 = TSimd.Add(c0, TSimd.Load(next));
            c1 = TSimd.Add(c1, TSimd.Load(next + TSimd.Width));
            c2 = TSimd.Add(c2, TSimd.Load(next + (2 * TSimd.Width)));
            c3 = TSimd.Add(c3, TSimd.Load(next + (3 * TSimd.Width)));
            c4 = TSimd.Add(c4, TSimd.Load(next + (4 * TSimd.Width)));
            c5 = TSimd.Add(c5, TSimd.Load(next + (5 * TSimd.Width)));
            c6 = TSimd.Add(c6, TSimd.Load(next + (6 * TSimd.Width)));
            c7 = TSimd.Add(c7, TSimd.Load(next + (7 * TSimd.Width)));
        }

        GC.KeepAlive(data);
        return TSimd.Sum(TSimd.Add(TSimd.Add(TSimd.Add(c0, c1), TSimd.Add(c2, c3)),
            TSimd.Add(TSimd.Add(c4, c5), TSimd.Add(c6, c7))));
    }

    public override int PanelWidth => MicroKernel<TSimd, TVector>.PanelWidth;

    public override GridPlan Cut(ExecutionPlan plan, ResamplerConfig config) => GridPlan.Create(plan,
        config, CpuEngine<TSimd, TVector>.Costs.PaddedLanes(config.AttentionHeadCount));

    public override Action Gemm(float[] a, float[] b, float[] c, GemmShape shape, int threadCount)
    {
        GemmWork<TSimd, TVector> work = new(b, shape);
        WorkerPool pool = new(threadCount);
        return () =>
        {
            fixed (float* source = a)
            fixed (float* target = c)
            {
                work.Bind(source, target);
                pool.Run(work, CancellationToken.None);
            }
        };
    }

    public override Action LayerNorm(int rowCount, int width)
    {
        float[] ones = [.. Enumerable.Repeat(1f, width)];
        LayerNorm<TSimd, TVector> norm = new(ones, new float[width], epsilon: 1e-6);
        AlignedBuffer rows = Random((long)rowCount * width);
        AlignedBuffer result = new((long)rowCount * width);
        return () =>
        {
            for (int row = 0; row < rowCount; row++)
                norm.Apply(rows.Pointer + ((nint)row * width), result.Pointer + ((nint)row * width));
            GC.KeepAlive(rows);
            GC.KeepAlive(result);
        };
    }

    public override Action ScopeAttention(ResamplerModel model, PatchGrid grid)
    {
        ResamplerConfig config = model.Config;
        int scope = config.Scopes.Count - 1;
        ModelOperands<TSimd, TVector> operands = new(model);
        CostModel costs = new([MicroKernel<TSimd, TVector>.PanelWidth], [1]);
        ScopePlan plan = new Planner(config, operands.KeyValueInput is not null, costs).Plan(grid).Scopes[scope];
        if (plan.Keys != ProjectionStrategy.Projected)
            throw new ArgumentException(
                $"{config.Scopes[scope].Name}: expected a scope whose keys are projected on {grid}",
                nameof(model));
        ScopeBias bias = new(config.Scopes[scope], plan.Windows, config.QueryGrid, logSigma: null);
        BufferPool memory = new();
        TiledScope tiled = new(plan, TiledQueries.Create(new PartKey(PartKind.TiledQueries), plan.Tiles,
            operands.Queries(scope, grid), config, memory), Axis(PartKind.TiledRowBias), Axis(PartKind.TiledColumnBias),
            bias.IsMask, config.QueryGrid.Columns);
        HeadLayout layout = HeadLayout.For(config.HeadSize, (int)grid.PatchCount);
        long count = (config.AttentionHeadCount * (long)layout.HeadStride) + MicroKernel<TSimd, TVector>.PanelWidth;
        AlignedBuffer keys = Random(count);
        AlignedBuffer values = Random(count);
        AlignedBuffer output = new((long)config.QueryGrid.QueryCount * config.HiddenSize);
        AlignedBuffer scratch =
            new(ScopeAttentionTiled<TSimd, TVector>.ScratchCount(tiled.MaxLaneCount, config.HeadSize));
        return () =>
        {
            for (int tile = 0; tile < tiled.Tiles.Count; tile++)
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    ScopeAttentionTiled<TSimd, TVector>.Run(tiled, tile, head, grid.Columns, keys.Pointer,
                        values.Pointer, layout, output.Pointer, config.HiddenSize, scratch.Pointer);
            GC.KeepAlive((keys, values, output, scratch));
        };

        TiledBias Axis(PartKind kind)
            => TiledBias.Create(new PartKey(kind), plan.Tiles, bias, config.AttentionHeadCount, memory);
    }

    public override Action Gate(ResamplerModel model)
    {
        ResamplerConfig config = model.Config;
        ModelOperands<TSimd, TVector> operands = new(model);
        int rowCount = config.QueryGrid.QueryCount;
        int stride = config.Scopes.Count * config.HiddenSize;
        AlignedBuffer branches = Random((long)rowCount * stride);
        AlignedBuffer fused = new((long)rowCount * config.HiddenSize);
        int hiddenStride = ForwardPass<TSimd, TVector>.RowStrideOf(config.Gate!.HiddenSize);
        AlignedBuffer hidden = new((long)rowCount * hiddenStride);
        AlignedBuffer scratch = new(FusionGate<TSimd, TVector>.ScratchCount(config));
        PackedMatrix hiddenLayer = (PackedMatrix)operands.GateHidden!;
        return () =>
        {
            for (int panel = 0; panel < hiddenLayer.PanelCount; panel++)
                Gemm<TSimd, TVector>.Panel(branches.Pointer, stride, rowCount, hiddenLayer, panel, hidden.Pointer,
                    hiddenStride);
            for (int row = 0; row < rowCount; row += FusionGate<TSimd, TVector>.RowCount)
                FusionGate<TSimd, TVector>.Run(operands, branches.Pointer + ((nint)row * stride), stride,
                    hidden.Pointer + ((nint)row * hiddenStride), hiddenStride,
                    Math.Min(FusionGate<TSimd, TVector>.RowCount, rowCount - row),
                    fused.Pointer + ((nint)row * config.HiddenSize), config.HiddenSize, weights: null, scratch.Pointer);
            GC.KeepAlive((branches, fused, hidden, scratch));
        };
    }

    private static AlignedBuffer Random(long count)
    {
        Random random = new(1);
        AlignedBuffer buffer = new(count);
        foreach (ref float value in buffer.Span)
            value = random.NextSingle() - 0.5f;
        return buffer;
    }
}
