using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu.Integer;

/// <summary>Attention of one tile of queries and one head as <see cref="ScopeAttentionTiled{TSimd,TVector}"/>, with
/// both products in integers.</summary>
/// <remarks>
/// <para>Keys and values were rounded for the whole frame, see <see cref="HeadQuantiser{TSimd,TVector}"/>, queries are
/// rounded here. The weights of a block of keys are rounded relative to the largest weight of the block, and their sum
/// is the sum of the rounded weights: an average of equal values is exact.</para>
/// <para>Sums of integers are exact, and floats have one order on every instruction set.</para>
/// </remarks>
[SkipLocalsInit]
internal static unsafe class ScopeAttentionInteger<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private const int KeyBlock = IntegerHeads.KeyBlock;

    /// <summary>Blocks, except for the last one, have a multiple of these keys: of the rows of a tile and of the keys
    /// of a step.</summary>
    private const int KeyMultiple = 12;

    /// <summary>Floats of scratch memory that a tile needs.</summary>
    public static int ScratchCount(int lanes, in IntegerHeads keys, in IntegerHeads values)
        => new AttentionScratch(null, lanes, KeyBlock, keys, values).FloatCount;

    /// <summary>Computes the attention output of one tile and one head.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="tileIndex">The tile.</param>
    /// <param name="head">The head.</param>
    /// <param name="gridColumns">Columns of the patch grid.</param>
    /// <param name="keys">The rounded keys.</param>
    /// <param name="values">The rounded values.</param>
    /// <param name="frame">The frame of the stack.</param>
    /// <param name="firstRow">The first patch of the frame.</param>
    /// <param name="output">The image's attention outputs, [M, S·D], at channel 0 of this scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    /// <param name="memory">Scratch memory, <see cref="ScratchCount"/> floats.</param>
    /// <param name="frameSums">Receives the sums of the softmax, [M, A]; may be null.</param>
    /// <param name="headCount">A; used only for <paramref name="frameSums"/>.</param>
    public static void Run(TiledScope scope, int tileIndex, int head, int gridColumns, in IntegerHeads keys,
        in IntegerHeads values, int frame, int firstRow, float* output, nint outputStride, float* memory,
        FrameSum* frameSums, int headCount)
    {
        QueryTile tile = scope.Tiles[tileIndex];
        int lanes = tile.LaneCount;
        int tileWidth = Math.Min(lanes, keys.Kernel.PanelWidth);
        AttentionScratch scratch = new(memory, lanes, KeyBlock, keys, values);
        new Span<float>(scratch.Sums, keys.HeadSize * lanes).Clear();
        ScopeSoftmax<TSimd, TVector>.Start(scratch.Maximum, scratch.Total, lanes);
        IntegerQueries<TSimd, TVector>.Round(scope.Queries(tileIndex, head), lanes, tileWidth, keys, frame, head,
            scratch);
        float* rowBias = scope.RowBias(tileIndex, head);
        float* columnBias = rowBias is null ? null : scope.ColumnBias(tileIndex, head);
        byte* keyRows = keys.Row(head, firstRow), valueRows = values.Row(head, firstRow);

        // Per key of a block: its patch, and where its row part and its column part of the bias begin.
        int* patches = stackalloc int[KeyBlock];
        int* biases = stackalloc int[2 * KeyBlock];
        int keyColumns = tile.KeyColumns.Count;
        int block = BlockOf(tile.KeyCount);
        for (int first = 0; first < tile.KeyCount; first += block)
        {
            int count = Math.Min(block, tile.KeyCount - first);
            (int row, int column) = Math.DivRem(first, keyColumns);
            for (int key = 0, i = row, j = column; key < count; key++)
            {
                patches[key] = ((tile.KeyRows.Start + i) * gridColumns) + tile.KeyColumns.Start + j;
                biases[2 * key] = i * lanes;
                biases[(2 * key) + 1] = j * lanes;
                if (++j == keyColumns)
                    (i, j) = (i + 1, 0);
            }

            Prefetch(keyRows, patches, count, keys.RowBytes);
            Prefetch(valueRows, patches, count, values.RowBytes);
            Logits(keyRows, patches, count, keys, lanes, tileWidth, new Bias(rowBias, columnBias, biases), scratch);
            RoundWeights(count, lanes, tileWidth, values, scratch);
            ArrangeValues(valueRows, patches, count, values, scratch.Values);
            AddValues(AttentionScratch.Steps(count, values), lanes, tileWidth, values, scratch);
        }

        Store(scope, tile, head, values, frame, output, outputStride, scratch);
        for (int lane = 0; frameSums != null && lane < tile.QueryCount; lane++)
            frameSums[(tile.QueryIndex(lane, scope.GridColumns) * headCount) + head] =
                new FrameSum { Maximum = scratch.Maximum[lane], Total = scratch.Total[lane] };
    }

    /// <summary>Prefetches the rows of a block. Rows of a rectangle are too short for prefetches by the
    /// processor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Prefetch(byte* rows, int* patches, int count, nint rowBytes)
    {
        const int LineBytes = 64;
        for (int key = 0; key < count; key++)
            for (nint line = 0; line < rowBytes; line += LineBytes)
                TSimd.Prefetch((float*)(rows + (patches[key] * rowBytes) + line));
    }

    /// <summary>The size of blocks of about equal size.</summary>
    private static int BlockOf(int keyCount)
    {
        int blockCount = (keyCount + KeyBlock - 1) / KeyBlock;
        int size = (keyCount + blockCount - 1) / blockCount;
        return (size + KeyMultiple - 1) / KeyMultiple * KeyMultiple;
    }

    private static void Logits(byte* keyRows, int* patches, int count, in IntegerHeads keys, int lanes, int tileWidth,
        in Bias bias, in AttentionScratch scratch)
    {
        new Span<float>(scratch.BlockMaximum, lanes).Fill(ScopeSoftmax<TSimd, TVector>.Lowest);
        int stepCount = AttentionScratch.Steps(keys.HeadSize, keys);
        nint panelBytes = (nint)stepCount * tileWidth * keys.StepBytes;
        IntegerTile tile = new() { StepCount = stepCount, StepStride = 1, Sums = scratch.TileSums };
        int** rows = &tile.Row0;
        for (int key = 0; key < count; key += IntegerTile.RowCount)
        {
            int rowCount = Math.Min(IntegerTile.RowCount, count - key);
            for (int r = 0; r < IntegerTile.RowCount; r++)
                rows[r] = (int*)(keyRows + ((nint)patches[key + Math.Min(r, rowCount - 1)] * keys.RowBytes));
            for (int lane = 0; lane < lanes; lane += tileWidth)
            {
                tile.Panel = scratch.Queries + (lane / tileWidth * panelBytes);
                keys.Kernel.Multiply(&tile, keys.Type, tileWidth);
                FinishLogits(tile.Sums, key, rowCount, lane, lanes, tileWidth, bias, scratch);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishLogits(int* sums, int key, int rowCount, int lane, int lanes, int tileWidth,
        in Bias bias, in AttentionScratch scratch)
    {
        float* rowBias = bias.Rows, columnBias = bias.Columns;
        int* offsets = bias.Offsets + (2 * key);
        for (int end = lane + tileWidth; lane < end; lane += TSimd.Width, sums += TSimd.Width)
        {
            TVector scale = TSimd.Load(scratch.QueryScale + lane), offset = TSimd.Load(scratch.QueryOffset + lane);
            TVector best = TSimd.Load(scratch.BlockMaximum + lane);
            float* logits = scratch.Logits + (key * lanes) + lane;
            for (int r = 0; r < rowCount; r++, logits += lanes)
            {
                TVector logit = TSimd.MultiplyAdd(TSimd.Convert(sums + (r * tileWidth)), scale, offset);
                if (rowBias != null)
                    logit = TSimd.Add(logit, TSimd.Add(TSimd.Load(rowBias + offsets[2 * r] + lane),
                        TSimd.Load(columnBias + offsets[(2 * r) + 1] + lane)));
                TSimd.Store(logits, logit);
                best = TSimd.Max(best, logit);
            }

            TSimd.Store(scratch.BlockMaximum + lane, best);
        }
    }

    /// <summary>Rounds the weights of a block, and updates the sums of weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundWeights(int count, int lanes, int tileWidth, in IntegerHeads values,
        in AttentionScratch scratch)
    {
        int stepLength = values.StepLength, stepBytes = values.StepBytes;
        int steps = AttentionScratch.Steps(count, values);
        nint panelBytes = (nint)steps * tileWidth * stepBytes;
        nint targetStride = tileWidth * stepBytes;
        // Keys behind the last one get weights of 0.
        new Span<float>(scratch.Logits + (count * lanes), ((steps * stepLength) - count) * lanes)
            .Fill(float.NegativeInfinity);
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Load(scratch.BlockMaximum + lane), old = TSimd.Load(scratch.Maximum + lane);
            TVector maximum = TSimd.Max(old, best);
            TVector rescale = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(old, maximum));
            TVector scale = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(best, maximum));
            float* logits = scratch.Logits + lane;
            byte* target = scratch.Weights + (lane / tileWidth * panelBytes) + (lane % tileWidth * stepBytes);
            TVector sum = stepLength == 4 ? FourWeights(logits, lanes, steps, best, target, targetStride)
                : TwoWeights(logits, lanes, steps, best, values, target, targetStride);
            TSimd.Store(scratch.Rescale + lane, rescale);
            TSimd.Store(scratch.BlockScale + lane, scale);
            TSimd.Store(scratch.Maximum + lane, maximum);
            TSimd.Store(scratch.Total + lane, TSimd.MultiplyAdd(TSimd.Load(scratch.Total + lane), rescale,
                TSimd.Multiply(sum, scale)));
        }
    }

    /// <summary>Stores steps of four weights with 8 bits.</summary>
    /// <returns>Their sum, which is exact.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static TVector FourWeights(float* logits, int lanes, int steps, TVector best, byte* target,
        nint targetStride)
    {
        TVector sum = TSimd.Zero;
        float* dither = WeightDither.Values;
        for (int step = 0; step < steps; step++, logits += 4 * lanes, target += targetStride, dither += 4)
        {
            TVector a = Weight8(logits, best, dither), b = Weight8(logits + lanes, best, dither + 1);
            TVector c = Weight8(logits + (2 * lanes), best, dither + 2);
            TVector d = Weight8(logits + (3 * lanes), best, dither + 3);
            sum = TSimd.Add(sum, TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)));
            StepPacking<TSimd, TVector>.StoreFourBytes(target, a, b, c, d);
        }

        return sum;
    }

    /// <summary>Stores steps of two weights.</summary>
    /// <returns>Their sum, which is exact.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static TVector TwoWeights(float* logits, int lanes, int steps, TVector best, in IntegerHeads values,
        byte* target, nint targetStride)
    {
        TVector sum = TSimd.Zero;
        bool isInt8 = values.Type == IntegerType.Int8;
        TVector level = TSimd.Create(values.Level * 0.99999f);
        float* dither = WeightDither.Values;
        for (int step = 0; step < steps; step++, logits += 2 * lanes, target += targetStride, dither += 2)
        {
            TVector a = isInt8 ? Weight8(logits, best, dither) : Weight16(logits, best, level, dither);
            TVector b = isInt8 ? Weight8(logits + lanes, best, dither + 1)
                : Weight16(logits + lanes, best, level, dither + 1);
            sum = TSimd.Add(sum, TSimd.Add(a, b));
            if (isInt8)
                StepPacking<TSimd, TVector>.StoreTwoBytes(target, a, b);
            else
                StepPacking<TSimd, TVector>.StoreTwoShorts(target, a, b);
        }

        return sum;
    }

    /// <summary><c>round(126.98·2^(logit − best) + dither)</c>.</summary>
    /// <remarks>The polynomial has a relative error of 7.5·10⁻⁵, a hundredth of a level. The largest weight is
    /// <c>126.98·(1 ± 7.5·10⁻⁵) ± 0.496</c>, at most 127.49 before it is rounded.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weight8(float* logit, TVector best, float* dither)
    {
        const float Level = 126.98f;
        TVector exponent = TSimd.Max(TSimd.Create(-127f), TSimd.Subtract(TSimd.Load(logit), best));
        TVector whole = TSimd.Round(exponent);
        TVector part = TSimd.Subtract(exponent, whole);
        TVector sum = TSimd.Create(Level * 0.055171669f);
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(Level * 0.24261112f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(Level * 0.69326099f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(Level * 0.99992807f));
        return TSimd.Round(TSimd.MultiplyAdd(sum, TSimd.PowerOfTwo(whole), TSimd.Broadcast(dither)));
    }

    /// <summary><c>round(level·2^(logit − best) + dither)</c>.</summary>
    /// <remarks>The polynomial has a relative error of 2.6·10⁻⁶, a hundredth of a level of 3,344. A level smaller by
    /// 10⁻⁵ keeps the largest weight below that.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weight16(float* logit, TVector best, TVector level, float* dither)
    {
        TVector exponent = TSimd.Max(TSimd.Create(-127f), TSimd.Subtract(TSimd.Load(logit), best));
        TVector whole = TSimd.Round(exponent);
        TVector part = TSimd.Subtract(exponent, whole);
        TVector sum = TSimd.Create(0.0095701019f);
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(0.055917860f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(0.24024745f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(0.69312181f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(0.99999926f));
        return TSimd.Round(TSimd.MultiplyAdd(TSimd.Multiply(sum, level), TSimd.PowerOfTwo(whole),
            TSimd.Broadcast(dither)));
    }

    /// <summary>Arranges the values of a block as steps of keys. Surplus keys of the last step repeat the last
    /// key.</summary>
    private static void ArrangeValues(byte* rows, int* patches, int count, in IntegerHeads values, int* steps)
    {
        int last = count - 1;
        nint rowBytes = values.RowBytes;
        if (values.StepLength == 4)
        {
            for (int key = 0; key < count; key += 4, steps += values.ChannelStride)
                KeySteps.Interleave(rows + (patches[key] * rowBytes),
                    rows + (patches[Math.Min(key + 1, last)] * rowBytes),
                    rows + (patches[Math.Min(key + 2, last)] * rowBytes),
                    rows + (patches[Math.Min(key + 3, last)] * rowBytes), values.ChannelStride, steps);
            return;
        }

        for (int key = 0; key < count; key += 2, steps += values.ChannelStride)
            KeySteps.Interleave((short*)(rows + (patches[key] * rowBytes)),
                (short*)(rows + (patches[Math.Min(key + 1, last)] * rowBytes)), values.ChannelStride, steps);
    }

    private static void AddValues(int stepCount, int lanes, int tileWidth, in IntegerHeads values,
        in AttentionScratch scratch)
    {
        nint panelBytes = (nint)stepCount * tileWidth * values.StepBytes;
        IntegerTile tile = new()
        {
            StepCount = stepCount,
            StepStride = values.ChannelStride,
            Sums = scratch.TileSums,
        };
        int** rows = &tile.Row0;
        for (int channel = 0; channel < values.HeadSize; channel += IntegerTile.RowCount)
        {
            int rowCount = Math.Min(IntegerTile.RowCount, values.HeadSize - channel);
            for (int r = 0; r < IntegerTile.RowCount; r++)
                rows[r] = scratch.Values + channel + Math.Min(r, rowCount - 1);
            for (int lane = 0; lane < lanes; lane += tileWidth)
            {
                tile.Panel = scratch.Weights + (lane / tileWidth * panelBytes);
                values.Kernel.Multiply(&tile, values.Type, tileWidth);
                FinishSums(tile.Sums, channel, rowCount, lane, lanes, tileWidth, scratch);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishSums(int* tileSums, int channel, int rowCount, int lane, int lanes, int tileWidth,
        in AttentionScratch scratch)
    {
        for (int end = lane + tileWidth; lane < end; lane += TSimd.Width, tileSums += TSimd.Width)
        {
            TVector rescale = TSimd.Load(scratch.Rescale + lane), scale = TSimd.Load(scratch.BlockScale + lane);
            float* sums = scratch.Sums + (channel * lanes) + lane;
            for (int r = 0; r < rowCount; r++, sums += lanes)
                TSimd.Store(sums, TSimd.MultiplyAdd(TSimd.Convert(tileSums + (r * tileWidth)), scale,
                    TSimd.Multiply(TSimd.Load(sums), rescale)));
        }
    }

    /// <summary>Converts weighted sums of integers to averages of values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store(TiledScope scope, QueryTile tile, int head, in IntegerHeads values, int frame,
        float* output, nint outputStride, in AttentionScratch scratch)
    {
        int lanes = tile.LaneCount;
        int headSize = values.HeadSize;
        float* scales = values.Scales(frame, head), offsets = values.Offsets(frame, head);
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector inverse = TSimd.Divide(TSimd.Create(1), TSimd.Load(scratch.Total + lane));
            float* sums = scratch.Sums + lane;
            for (int channel = 0; channel < headSize; channel++, sums += lanes)
                TSimd.Store(sums, TSimd.MultiplyAdd(TSimd.Load(sums), TSimd.Multiply(inverse,
                    TSimd.Create(scales[channel])), TSimd.Create(offsets[channel])));
        }

        // The queries of a row of the tile are neighbours, and those of whole rows of the grid too.
        int run = tile.QueryColumns.Count == scope.GridColumns ? tile.QueryCount : tile.QueryColumns.Count;
        for (int lane = 0; lane < tile.QueryCount; lane += run)
            Transposition.Run(scratch.Sums + lane, lanes, headSize, run,
                output + (tile.QueryIndex(lane, scope.GridColumns) * outputStride) + (head * headSize), outputStride);
    }

    /// <summary>The bias of a block of keys.</summary>
    /// <param name="rows">The row part, or null if the bias is 0.</param>
    /// <param name="columns">The column part.</param>
    /// <param name="offsets">For each key, where its row part and its column part begin.</param>
    private readonly struct Bias(float* rows, float* columns, int* offsets)
    {
        public float* Rows => rows;

        public float* Columns => columns;

        public int* Offsets => offsets;
    }
}
