using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Tiles;
using MsResampler.Planning;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>A batch of images for the tensor-core attention: its run on the emulator and the result in double
/// precision.</summary>
internal sealed class ScopeAttentionMmaCase
{
    /// <summary>Fills memory that must not be read or written: NaN in all types.</summary>
    private const byte Forbidden = 0xFF;

    // The result must not depend on the start of the tables beyond the required alignment.
    private const int PlaceBase = 4;
    private const int WindowBase = 3;
    private const int BiasBase = 8;
    private const int QueryBase = 7;

    private readonly ResamplerConfig _config;
    private readonly bool _isHalf;
    private readonly double[]?[] _logSigmas;
    private readonly PatchGrid[] _grids;
    private readonly float[] _queries;
    private readonly float[][] _keys;
    private readonly float[][] _values;
    private readonly bool[] _isNaN;

    /// <param name="config">The model.</param>
    /// <param name="isHalf">Whether the type is float16; otherwise bfloat16.</param>
    /// <param name="grids">The grids of the images.</param>
    /// <param name="logSigmas">The learned log sigma of each scope.</param>
    /// <param name="seeds">The seed of the keys and values of each image; by default its index.</param>
    public ScopeAttentionMmaCase(ResamplerConfig config, bool isHalf, PatchGrid[] grids,
        double[]?[]? logSigmas = null, int[]? seeds = null)
    {
        (_config, _isHalf, _grids) = (config, isHalf, grids);
        _logSigmas = logSigmas ?? new double[config.Scopes.Count][];
        _queries = Rows(config.Scopes.Count * QueryCount * HeadCount, 1);
        // The logits spread as much as those of a trained head.
        for (int index = 0; index < _queries.Length; index++)
            _queries[index] = Round(_queries[index] * 3 / MathF.Sqrt(HeadSize));
        _keys = [.. grids.Select((grid, image) => Rows((int)grid.PatchCount * KeyScopeCount * HeadCount,
            10 + (2 * (seeds?[image] ?? image))))];
        _values = [.. grids.Select((grid, image) => Rows((int)grid.PatchCount * KeyScopeCount * HeadCount,
            11 + (2 * (seeds?[image] ?? image))))];
        _isNaN = new bool[grids.Length];
    }

    public int HeadVectors => (HeadSize + 7) / 8;

    /// <summary>The unit roundoff of the element type.</summary>
    public double Roundoff => Math.ScaleB(1, _isHalf ? -11 : -8);

    public KernelVariant Kernel
        => (_isHalf ? Bits16Kernels.Float16 : Bits16Kernels.BFloat16).AttentionFor(8 * HeadVectors);

    /// <summary>The schedules of the images.</summary>
    public IEnumerable<ScopeSchedule> Schedules => _grids.Select(ScheduleOf);

    private int HeadSize => _config.HeadSize;

    private int HeadCount => _config.AttentionHeadCount;

    private int ScopeCount => _config.Scopes.Count;

    private int KeyScopeCount => _config.ShareKeyValues ? 1 : ScopeCount;

    private int QueryCount => _config.QueryGrid.QueryCount;

    private int Stride => 8 * HeadVectors;

    /// <summary>The plan of a grid.</summary>
    public ExecutionPlan PlanOf(PatchGrid grid) => new Planner(_config, true, ScopeSchedule.Costs).Plan(grid);

    /// <summary>Changes one channel of one value of the first image.</summary>
    public ScopeAttentionMmaCase WithValue(int index, float value)
    {
        _values[0][index] = value;
        return this;
    }

    /// <summary>Makes all keys and values of some images NaN. Nothing is expected of these images.</summary>
    public ScopeAttentionMmaCase WithNaN(Func<int, bool> isImage)
    {
        for (int image = 0; image < _grids.Length; image++)
        {
            if (!isImage(image))
                continue;
            _keys[image].AsSpan().Fill(float.NaN);
            _values[image].AsSpan().Fill(float.NaN);
            _isNaN[image] = true;
        }

        return this;
    }

    /// <summary>Makes channel 0 add a number to the logits of a key.</summary>
    /// <param name="of">The number for an image and a patch.</param>
    public ScopeAttentionMmaCase WithLogits(Func<int, int, float> of)
    {
        for (int start = 0; start < _queries.Length; start += Stride)
            _queries[start] = 1;
        for (int image = 0; image < _grids.Length; image++)
        {
            for (int start = 0; start < _keys[image].Length; start += Stride)
                _keys[image][start] = Round(of(image, start / (KeyScopeCount * HeadCount * Stride)));
        }

        return this;
    }

    /// <summary>Runs the batch.</summary>
    /// <param name="seed">The seed of the order of warps.</param>
    /// <param name="isReversed">Whether the blocks are launched in reverse order.</param>
    /// <param name="storesLogSums">Whether the kernel stores log-sums.</param>
    /// <param name="mapScope">The scope whose maps of the last image are computed from the log-sums; -1 for
    /// none.</param>
    public ScopeAttentionMmaResult Run(ulong seed = 1, bool isReversed = false, bool storesLogSums = true,
        int mapScope = -1)
    {
        using EmulatedGpu gpu = new(new EmulatorOptions { Seed = seed, MemoryBytes = 1 << 28 });
        List<int> places = [.. new int[PlaceBase]];
        List<AxisWindow> windows = [.. new AxisWindow[WindowBase]];
        List<float> bias = [.. new float[BiasBase]];
        List<MmaBlock> blocks = [];
        MmaBlock[] lastScopes = [];
        int patchCount = 0;
        for (int image = 0; image < _grids.Length; image++)
        {
            ScopeSchedule schedule = ScheduleOf(_grids[image]);
            foreach (MmaBlock block in schedule.BlocksAt(places.Count, windows.Count, bias.Count, QueryBase))
                blocks.Add(Of(image, block));
            lastScopes = schedule.ScopesAt(windows.Count, bias.Count, QueryBase);
            places.AddRange(schedule.Places);
            windows.AddRange(schedule.Windows);
            bias.AddRange(schedule.Bias);
            patchCount += (int)_grids[image].PatchCount;
        }

        if (isReversed)
            blocks.Reverse();
        int tokenRows = _grids.Length * QueryCount * ScopeCount * HeadCount;
        DeviceView blockView = Upload<MmaBlock>([.. blocks]);
        DeviceView windowView = Upload<AxisWindow>([.. windows]);
        DeviceView biasView = Upload<float>([.. bias]);
        byte[] queries = [.. new byte[16 * QueryBase], .. Encode(_queries)];
        Array.Fill(queries, Forbidden, 0, 16 * QueryBase);
        DeviceView queryView = Upload<byte>(queries);
        byte[] extra = new byte[16 * ScopeSchedule.ExtraVectors];
        Array.Fill(extra, Forbidden);
        DeviceView keyValues = Upload<byte>([.. KeyValues(), .. extra]);
        byte[] outputBytes = new byte[tokenRows * Stride * sizeof(ushort)];
        Array.Fill(outputBytes, Forbidden);
        DeviceView output = Upload<byte>(outputBytes);
        float[] logSums = new float[storesLogSums ? tokenRows : 0];
        Array.Fill(logSums, float.NaN);
        DeviceView logSumView = storesLogSums ? Upload<float>(logSums) : default;

        LaunchReport report = Launch(Kernel, new Dim3(blocks.Count, HeadCount),
            [blockView, Upload<int>([.. places]), windowView, biasView, queryView, keyValues, output, logSumView],
            [storesLogSums ? 1 : 0]);
        gpu.Read(output.Address, outputBytes);
        if (storesLogSums)
            gpu.Read(logSumView.Address, MemoryMarshal.AsBytes(logSums.AsSpan()));
        float[] maps = mapScope < 0 ? [] : Maps();
        return new ScopeAttentionMmaResult(Decode(outputBytes), logSums, maps, report);

        MmaBlock Of(int image, MmaBlock block) => block with
        {
            FirstPatch = block.FirstPatch + patchCount,
            FirstToken = block.FirstToken + (image * QueryCount),
        };

        float[] Maps()
        {
            PatchGrid grid = _grids[^1];
            float[] result = new float[HeadCount * QueryCount * (int)grid.PatchCount];
            Array.Fill(result, float.NaN);
            DeviceView view = Upload<float>(result);
            Launch(new KernelVariant(_isHalf ? typeof(AttentionMapMma<MmaFloat16>)
                : typeof(AttentionMapMma<MmaBFloat16>), 32, 1), new Dim3((QueryCount + 15) / 16, HeadCount),
                [Upload<MmaBlock>(lastScopes), windowView, biasView, queryView, keyValues, logSumView, view],
                [mapScope, grid.Rows, patchCount - (int)grid.PatchCount, (_grids.Length - 1) * QueryCount]);
            gpu.Read(view.Address, MemoryMarshal.AsBytes(result.AsSpan()));
            return result;
        }

        LaunchReport Launch(KernelVariant variant, Dim3 grid, DeviceView[] views, int[] numbers)
        {
            CompiledKernel kernel = variant.Compile(EmulatorHost.Compiler, 80);
            KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel);
            arguments.Add(views);
            arguments.Add(new AttentionShape
            {
                ScopeCount = ScopeCount,
                KeyScopeCount = KeyScopeCount,
                HeadCount = HeadCount,
                HeadVectors = HeadVectors,
                QueryColumns = _config.QueryGrid.Columns,
            });
            arguments.Add(numbers);
            return gpu.Launch(PtxModule.Parse(kernel.Ptx), kernel.EntryName, grid, new Dim3(variant.BlockSize), 0,
                arguments.Bytes);
        }

        DeviceView Upload<T>(T[] content)
            where T : unmanaged
        {
            ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<T>(content);
            ulong address = gpu.Allocate(Math.Max(bytes.Length, 1));
            gpu.Write(address, bytes);
            return new DeviceView(address, bytes.Length);
        }
    }

    /// <summary>Every query, scope and head of the batch in double precision.</summary>
    public IEnumerable<ScopeAttentionMmaRow> Expected()
    {
        foreach (int image in Enumerable.Range(0, _grids.Length).Where(image => !_isNaN[image]))
        {
            for (int scope = 0; scope < ScopeCount; scope++)
            {
                for (int query = 0; query < QueryCount; query++)
                {
                    for (int head = 0; head < HeadCount; head++)
                    {
                        yield return Expected(image, scope, query, head,
                            (((((image * QueryCount) + query) * ScopeCount) + scope) * HeadCount) + head);
                    }
                }
            }
        }
    }

    private ScopeAttentionMmaRow Expected(int image, int scope, int query, int head, int row)
    {
        PatchGrid grid = _grids[image];
        int keyScope = _config.ShareKeyValues ? 0 : scope;
        ScopeConfig scopeConfig = _config.Scopes[scope];
        var windows = ScopeWindows.Resolve(scopeConfig, _config.QueryGrid, grid);
        int queryRow = query / _config.QueryGrid.Columns;
        int queryColumn = query % _config.QueryGrid.Columns;
        double ay = ((queryRow + 0.5) * grid.Rows / _config.QueryGrid.Rows) - 0.5;
        double ax = ((queryColumn + 0.5) * grid.Columns / _config.QueryGrid.Columns) - 0.5;
        (double sigmaY, double sigmaX) = Sigma(scope, head, grid);
        ReadOnlySpan<float> q = _queries.AsSpan((((scope * QueryCount) + query) * HeadCount + head) * Stride, Stride);

        int patchCount = (int)grid.PatchCount;
        double[] logits = new double[patchCount];
        double[] errors = new double[patchCount];
        double best = double.NegativeInfinity;
        for (int patch = 0; patch < patchCount; patch++)
        {
            int i = patch / grid.Columns;
            int j = patch % grid.Columns;
            logits[patch] = double.NegativeInfinity;
            if (!windows.Rows[queryRow].Contains(i) || !windows.Columns[queryColumn].Contains(j))
                continue;
            double terms = 0;
            double dot = Dot(q, Row(_keys[image], patch, keyScope, head), ref terms);
            (double rowBias, double rowError) = Bias(windows.Rows[queryRow], ay, sigmaY, i);
            (double columnBias, double columnError) = Bias(windows.Columns[queryColumn], ax, sigmaX, j);
            logits[patch] = dot + rowBias + columnBias;
            // A dot product rounds once per term.
            errors[patch] = rowError + columnError + (Math.ScaleB(1, -24) * (HeadSize + 2) * terms);
            best = Math.Max(best, logits[patch]);
        }

        // Patches further below have no weight.
        double logitError = Enumerable.Range(0, patchCount).Where(patch => logits[patch] > best - 40)
            .Max(patch => errors[patch]);

        double total = 0;
        double[] sums = new double[HeadSize];
        double[] magnitudes = new double[HeadSize];
        double[] largest = new double[HeadSize];
        for (int patch = 0; patch < patchCount; patch++)
        {
            double weight = Math.Pow(2, logits[patch] - best);
            logits[patch] = weight;
            total += weight;
            ReadOnlySpan<float> v = Row(_values[image], patch, keyScope, head);
            for (int k = 0; k < HeadSize; k++)
            {
                sums[k] += weight * v[k];
                magnitudes[k] += weight * Math.Abs(v[k]);
                largest[k] = Math.Max(largest[k], Math.Abs(v[k]));
            }
        }

        return new ScopeAttentionMmaRow(image, scope, query, head, row, patchCount,
            [.. sums.Select(sum => sum / total)], [.. magnitudes.Select(sum => sum / total)], largest,
            [.. logits.Select(weight => weight / total)], Math.Log2(total) + best, logitError);
    }

    /// <summary>The Gaussian of a patch along an axis, relative to the nearest patch of the window, and its float32
    /// error: the rounding of the table value, of the sum of both axes, and of the addition to the logit.</summary>
    private static (double Bias, double Error) Bias(AxisRange window, double anchor, double sigma, int patch)
    {
        double scale = Math.Log2(Math.E) / (2 * sigma * sigma);
        double nearest = Enumerable.Range(window.Start, window.Count).Min(other => Math.Abs(other - anchor));
        double distance = Math.Abs(patch - anchor);
        double bias = distance == nearest ? 0 : ((nearest * nearest) - (distance * distance)) * scale;
        return (bias, 3 * Math.ScaleB(1, -24) * Math.Abs(bias));
    }

    private (double Rows, double Columns) Sigma(int scope, int head, PatchGrid grid)
    {
        ScopeConfig config = _config.Scopes[scope];
        (double rows, double columns) = _logSigmas[scope] is { } learned
            ? (Math.Exp(learned[2 * head]), Math.Exp(learned[(2 * head) + 1]))
            : (config.Sigma?.Rows ?? double.PositiveInfinity, config.Sigma?.Columns ?? double.PositiveInfinity);
        return config.Units == ScopeUnits.Fraction ? (rows * grid.Rows, columns * grid.Columns) : (rows, columns);
    }

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ref double terms)
    {
        double sum = 0;
        for (int k = 0; k < a.Length; k++)
        {
            sum += (double)a[k] * b[k];
            terms += Math.Abs((double)a[k] * b[k]);
        }

        return sum;
    }

    private ReadOnlySpan<float> Row(float[] rows, int patch, int keyScope, int head)
        => rows.AsSpan(((((patch * KeyScopeCount) + keyScope) * HeadCount) + head) * Stride, Stride);

    private ScopeSchedule ScheduleOf(PatchGrid grid) => new(_config, PlanOf(grid), _logSigmas);

    private float[] Rows(int count, int seed)
    {
        float[] values = Values.Normal(count * Stride, seed);
        for (int index = 0; index < values.Length; index++)
            values[index] = index % Stride < HeadSize ? Round(values[index]) : 0;
        return values;
    }

    private float Round(float value) => Decode(Encode([value]))[0];

    private byte[] KeyValues()
    {
        List<byte> bytes = [];
        for (int image = 0; image < _grids.Length; image++)
        {
            int rowLength = KeyScopeCount * HeadCount * Stride;
            for (int patch = 0; patch < (int)_grids[image].PatchCount; patch++)
            {
                bytes.AddRange(Encode(_keys[image].AsSpan(patch * rowLength, rowLength)));
                bytes.AddRange(Encode(_values[image].AsSpan(patch * rowLength, rowLength)));
            }
        }

        return [.. bytes];
    }

    private byte[] Encode(ReadOnlySpan<float> values)
    {
        byte[] bytes = new byte[values.Length * sizeof(ushort)];
        for (int index = 0; index < values.Length; index++)
        {
            ushort bits = _isHalf ? BitConverter.HalfToUInt16Bits((Half)values[index])
                : float.IsFinite(values[index])
                    ? (ushort)((BitConverter.SingleToUInt32Bits(values[index]) + 0x7FFF) >> 16)
                    : (ushort)(BitConverter.SingleToUInt32Bits(values[index]) >> 16);
            MemoryMarshal.Write(bytes.AsSpan(index * sizeof(ushort)), bits);
        }

        return bytes;
    }

    private float[] Decode(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(bytes);
        float[] values = new float[bits.Length];
        for (int index = 0; index < values.Length; index++)
        {
            values[index] = _isHalf ? (float)BitConverter.UInt16BitsToHalf(bits[index])
                : BitConverter.UInt32BitsToSingle((uint)bits[index] << 16);
        }

        return values;
    }
}

/// <summary>The results of a run.</summary>
/// <param name="Output">[tokens, scopes, heads, d], each head including its padding.</param>
/// <param name="LogSums">[tokens, scopes, heads].</param>
/// <param name="Maps">[heads, queries, patches] of the last image.</param>
/// <param name="Report">The counters of the launch.</param>
internal sealed record ScopeAttentionMmaResult(float[] Output, float[] LogSums, float[] Maps,
    LaunchReport Report);

/// <summary>The exact result of one query and head.</summary>
/// <param name="Image">The image.</param>
/// <param name="Scope">The scope.</param>
/// <param name="Query">The query.</param>
/// <param name="Head">The head.</param>
/// <param name="Row">The row of the output, counted in heads.</param>
/// <param name="PatchCount">The number of patches of the image.</param>
/// <param name="Output">The weighted sums.</param>
/// <param name="Magnitudes">The weighted sums of magnitudes.</param>
/// <param name="Largest">The maximum of each channel over the values.</param>
/// <param name="Weights">The softmax of each patch, 0 outside the window.</param>
/// <param name="LogSum">log₂ Σ 2^logit, where the bias of the nearest patch is 0.</param>
/// <param name="LogitError">The allowed float32 error of the logit of a patch with a weight.</param>
internal sealed record ScopeAttentionMmaRow(int Image, int Scope, int Query, int Head, int Row, int PatchCount,
    double[] Output, double[] Magnitudes, double[] Largest, double[] Weights, double LogSum, double LogitError);
