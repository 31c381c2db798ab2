using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The attention of one scope and its gradients, block by block within the windows. A call computes one head
/// of one group of frames on the calling thread; calls for other heads or groups may run at the same time, unless
/// they add to the same gradients.</summary>
/// <remarks>The forward pass is an online softmax over blocks of keys. The backward pass computes the weights of a
/// block again, from the same products and the maximum and total that the forward pass kept (Dao and others,
/// FlashAttention, arXiv 2205.14135). All sums are in the order of tiles and blocks, which depends only on the grid
/// and the instruction set.</remarks>
internal sealed unsafe class ScopeAttention<TSimd, TVector>(ScopeConfig scope, ResamplerConfig config)
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The geometry of a grid, which frames of that grid share.</summary>
    public FrameGeometry CreateGeometry(PatchGrid grid) => new(scope, config, grid, CpuEngine<TSimd, TVector>.Costs);

    /// <summary>Floats of scratch memory that a call needs for a frame. A call for several frames needs the largest of
    /// their counts. It grows with H + W, not with the number of patches or queries.</summary>
    public int ScratchCount(FrameGeometry geometry) => Carve(null, geometry).Count;

    /// <summary>Computes outputs and sums of one head for one group.</summary>
    /// <param name="group">The operands of the group; gradients are not used.</param>
    /// <param name="frames">Its frames, at least one; gradients are not used.</param>
    /// <param name="scratch">Scratch memory, aligned to 64 bytes.</param>
    /// <param name="cancellationToken">Cancels the call between two tiles.</param>
    public void Forward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch,
        CancellationToken cancellationToken)
    {
        FrameShifts? shifts = FrameShifts.Of(scope, config.QueryGrid, group, frames);
        for (int frame = 0; frame < frames.Length; frame++)
        {
            FrameGeometry geometry = frames[frame].Geometry;
            AttentionScratch memory = Carve(scratch, geometry);
            FrameSigma sigma = FrameSigma.Of(scope, group, geometry.Grid);
            for (int tile = 0; tile < geometry.Tiles.Count; tile++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Forward(group, frames[frame], new HeadTile<TSimd, TVector>(frames[frame], tile, config.HeadSize, sigma,
                    memory), shifts, frame, isLast: frame == frames.Length - 1);
            }

            GC.KeepAlive(geometry);
        }
    }

    /// <summary>Computes the gradients of queries, keys, values and log sigma of one head for one group, with the
    /// results of the forward pass.</summary>
    /// <param name="group">The operands of the group.</param>
    /// <param name="frames">Its frames, at least one.</param>
    /// <param name="scratch">Scratch memory, aligned to 64 bytes.</param>
    /// <param name="cancellationToken">Cancels the call between two tiles.</param>
    public void Backward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch,
        CancellationToken cancellationToken)
    {
        FrameShifts? shifts = FrameShifts.Of(scope, config.QueryGrid, group, frames);
        double rowSum = 0, columnSum = 0;
        for (int frame = 0; frame < frames.Length; frame++)
        {
            FrameGeometry geometry = frames[frame].Geometry;
            AttentionScratch memory = Carve(scratch, geometry);
            FrameSigma sigma = FrameSigma.Of(scope, group, geometry.Grid);
            for (int tile = 0; tile < geometry.Tiles.Count; tile++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Backward(group, frames[frame], new HeadTile<TSimd, TVector>(frames[frame], tile, config.HeadSize,
                    sigma, memory), shifts, frame, group.SigmaGradients == 0 ? null : &rowSum, &columnSum);
            }

            GC.KeepAlive(geometry);
        }

        if (group.SigmaGradients == 0)
            return;
        // A bias in base 2 is proportional to σ⁻², so the derivative of the natural logit by log σ is −2·ln2 times it.
        ((float*)group.SigmaGradients)[0] = (float)(-2 * Base2.Ln2 * rowSum);
        ((float*)group.SigmaGradients)[1] = (float)(-2 * Base2.Ln2 * columnSum);
    }

    private AttentionScratch Carve(float* memory, FrameGeometry geometry)
        => new(memory, geometry, config.HeadSize, TSimd.Width);

    private static void Forward(in HeadGroup group, in HeadFrame frame, HeadTile<TSimd, TVector> tile,
        FrameShifts? shifts, int frameIndex, bool isLast)
    {
        AttentionScratch scratch = tile.Scratch;
        int lanes = tile.Lanes;
        bool isFirst = frameIndex == 0;
        if (isFirst)
        {
            ScopeSoftmax<TSimd, TVector>.Start(scratch.Maximum, scratch.Total, lanes);
        }
        else
        {
            tile.LoadLanes(group.Maxima, scratch.Maximum, ScopeSoftmax<TSimd, TVector>.Lowest);
            tile.LoadLanes(group.Totals, scratch.Total, padding: 0);
            tile.LoadRows((float*)group.Outputs, group.Stride, scratch.Sums, factor: 1);
        }

        if (shifts is not null)
        {
            shifts.Fill(frameIndex, tile.QueryIndices, lanes, scratch.Shift, scratch.RowShift, scratch.ColumnShift);
            AddToRows(scratch.RowBias, tile.Tile.KeyRows.Count, lanes, scratch.Shift);
        }

        int keyColumns = tile.Tile.KeyColumns.Count;
        for (int first = 0; first < tile.Tile.KeyCount; first += AttentionScratch.KeyBlock)
        {
            int count = Math.Min(AttentionScratch.KeyBlock, tile.Tile.KeyCount - first);
            float* keys = tile.Block(frame.Keys, first, count, scratch.Keys, out nint keyStride);
            tile.Products(keys, keyStride, count, scratch.Queries, scratch.Logits);
            (int row, int column) = Math.DivRem(first, keyColumns);
            ScopeSoftmax<TSimd, TVector>.AddBias(scratch.Logits, count, lanes, tile.RowBias, tile.ColumnBias, row,
                column, keyColumns, scratch.Maximum, scratch.Total, scratch.Rescale);
            ScopeSoftmax<TSimd, TVector>.Exponentiate(scratch.Logits, count, lanes, scratch.Maximum, scratch.Total);
            bool isStart = isFirst && first == 0;
            for (int lane = 0; lane < tile.Tile.QueryCount && !isStart; lane++)
                if (scratch.Rescale[lane] != 1)
                    Scale(scratch.Sums + (lane * scratch.RowStride), scratch.RowStride, scratch.Rescale[lane]);
            float* values = tile.Block(frame.Values, first, count, scratch.Values, out nint valueStride);
            tile.AddToQueries(scratch.Logits, values, valueStride, count, isStart);
        }

        for (int lane = 0; lane < tile.Tile.QueryCount; lane++)
            ChannelRows<TSimd, TVector>.Copy(scratch.Sums + (lane * scratch.RowStride),
                (float*)group.Outputs + (tile.QueryIndices[lane] * (nint)group.Stride), tile.HeadSize,
                isLast ? 1 / scratch.Total[lane] : 1);
        tile.StoreLanes(scratch.Maximum, group.Maxima);
        tile.StoreLanes(scratch.Total, group.Totals);
    }

    private static void Backward(in HeadGroup group, in HeadFrame frame, HeadTile<TSimd, TVector> tile,
        FrameShifts? shifts, int frameIndex, double* rowSum, double* columnSum)
    {
        AttentionScratch scratch = tile.Scratch;
        int lanes = tile.Lanes;
        if (shifts is not null)
            shifts.Fill(frameIndex, tile.QueryIndices, lanes, scratch.Shift, scratch.RowShift, scratch.ColumnShift);
        else
            new Span<float>(scratch.Shift, (int)(scratch.ColumnShift - scratch.Shift) + lanes).Clear();
        tile.LoadLanes(group.Maxima, scratch.Maximum, padding: 0);
        LoadOutputGradients(group, tile);
        float inverseRoot = (float)(1 / Math.Sqrt(tile.HeadSize));
        if (frame.KeyGradients != 0)
            tile.LoadRows((float*)frame.Queries, frame.QueryStride, scratch.QueryRows, inverseRoot);
        for (int first = 0; first < tile.Tile.KeyCount; first += AttentionScratch.KeyBlock)
        {
            int count = Math.Min(AttentionScratch.KeyBlock, tile.Tile.KeyCount - first);
            float* keys = tile.Block(frame.Keys, first, count, scratch.Keys, out nint keyStride);
            float* values = tile.Block(frame.Values, first, count, scratch.Values, out nint valueStride);
            tile.Products(keys, keyStride, count, scratch.Queries, scratch.Logits);
            tile.Products(values, valueStride, count, scratch.OutputGradients, scratch.WeightGradients);
            if (tile.RowBias == null)
                SoftmaxGradient<TSimd, TVector>.Run(scratch.Logits, scratch.WeightGradients, count, lanes,
                    scratch.Maximum, scratch.Delta);
            else
                SoftmaxGradient<TSimd, TVector>.Run(scratch.Logits, scratch.WeightGradients, first, count, lanes,
                    scratch, tile.Tile.KeyColumns.Count, rowSum, columnSum);
            if (frame.ValueGradients != 0)
                tile.AddToKeys(scratch.Logits, scratch.OutputGradientRows, frame.ValueGradients, first, count);
            if (frame.KeyGradients != 0)
                tile.AddToKeys(scratch.WeightGradients, scratch.QueryRows, frame.KeyGradients, first, count);
            if (frame.QueryGradients != 0)
                tile.AddToQueries(scratch.WeightGradients, keys, keyStride, count, isFirst: first == 0);
        }

        for (int lane = 0; lane < tile.Tile.QueryCount && frame.QueryGradients != 0; lane++)
            ChannelRows<TSimd, TVector>.Copy(scratch.Sums + (lane * scratch.RowStride),
                (float*)frame.QueryGradients + (tile.QueryIndices[lane] * (nint)frame.QueryStride), tile.HeadSize,
                inverseRoot);
    }

    /// <summary>Loads the gradients of the outputs, divided by the total of their query, and computes delta.</summary>
    private static void LoadOutputGradients(in HeadGroup group, HeadTile<TSimd, TVector> tile)
    {
        AttentionScratch scratch = tile.Scratch;
        int queryCount = tile.Tile.QueryCount;
        int rest = tile.Lanes - queryCount;
        new Span<float>(scratch.Delta + queryCount, rest).Clear();
        new Span<float>(scratch.OutputGradientRows + (queryCount * scratch.RowStride), rest * scratch.RowStride)
            .Clear();
        for (int lane = 0; lane < queryCount; lane++)
        {
            int query = tile.QueryIndices[lane];
            float* gradient = scratch.OutputGradientRows + (lane * scratch.RowStride);
            ChannelRows<TSimd, TVector>.Copy((float*)group.OutputGradients + (query * (nint)group.Stride), gradient,
                tile.HeadSize, 1 / ((float*)group.Totals)[query]);
            scratch.Delta[lane] = ChannelRows<TSimd, TVector>.Dot(gradient,
                (float*)group.Outputs + (query * (nint)group.Stride), tile.HeadSize);
        }

        tile.Transpose(scratch.OutputGradientRows, scratch.OutputGradients);
    }

    private static void AddToRows(float* table, int rowCount, int lanes, float* shift)
    {
        for (int row = 0; row < rowCount; row++, table += lanes)
            for (int lane = 0; lane < lanes; lane += TSimd.Width)
                TSimd.Store(table + lane, TSimd.Add(TSimd.Load(table + lane), TSimd.Load(shift + lane)));
    }

    private static void Scale(float* row, int count, float factor)
    {
        TVector factors = TSimd.Create(factor);
        for (int channel = 0; channel < count; channel += TSimd.Width)
            TSimd.Store(row + channel, TSimd.Multiply(TSimd.Load(row + channel), factors));
    }
}
