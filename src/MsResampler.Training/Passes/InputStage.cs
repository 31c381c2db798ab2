using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Passes;

/// <summary>From features to the inputs of the value projections, Z, and of the key projections, Z plus
/// positions.</summary>
internal sealed unsafe class InputStage<TSimd, TVector>(PassContext context)
    where TSimd : struct, ISimd<TVector>
{
    private readonly ModelParts _parts = context.Parts;
    private readonly ResamplerConfig _config = context.Parts.Config;

    // Half of a sine–cosine embedding along an axis, [positions, D/2]; grown when a grid needs more positions.
    private float[] _axis = [];
    private Rows _features;
    private Rows _normal;
    private Rows _times;
    private float* _scales;

    /// <summary>Z, [rows, D].</summary>
    public Rows Values { get; private set; }

    /// <summary>Z plus positions, or Z if keys have none, [rows, D].</summary>
    public Rows Keys { get; private set; }

    /// <summary>The gradient of Z, [rows, D].</summary>
    public Rows Gradient { get; private set; }

    private bool HasPositions => _config.PositionEmbedding.Keys != PositionEmbeddingType.None;

    private bool HasTimes => context.Batch.HasTimes && _config.PositionEmbedding.Frames != FrameEmbeddingType.None;

    /// <summary>Takes the memory of the forward pass.</summary>
    public void Place(ref PassMemory memory)
    {
        int rows = context.RowCount;
        if (_parts.Input is not null)
            _features = Rows.Take(ref memory, rows, _config.VisionHiddenSize);
        _normal = Rows.Take(ref memory, rows, context.Width);
        _scales = memory.Take(rows);
        Values = Rows.Take(ref memory, rows, context.Width);
        Keys = HasPositions || HasTimes ? Rows.Take(ref memory, rows, context.Width) : Values;
        if (HasTimes)
            _times = Rows.Take(ref memory, context.Batch.FrameCount, context.Width);
    }

    /// <summary>Takes the memory of the backward pass.</summary>
    public void PlaceBackward(ref PassMemory memory, GradientNeeds needs)
    {
        if (needs.Input)
            Gradient = Rows.Take(ref memory, context.RowCount, context.Width);
    }

    /// <summary>Adds the phases of the forward pass.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="features">The features of the batch, [rows, C] without gaps.</param>
    public void AddForward(PhaseList phases, float* features)
    {
        int channels = _config.VisionHiddenSize;
        if (HasPositions || HasTimes)
            phases.Add("Positions", context.Batch.FrameCount, (frame, _) => PlacePositions(frame));
        if (HasPositions && _config.PositionEmbedding.Keys == PositionEmbeddingType.SinCos2D)
            ExtendAxis();
        if (_parts.Input is { } input)
        {
            PassContext.AddRows(phases, "Features", context.RowCount, row
                => new ReadOnlySpan<float>(features + ((nint)row * channels), channels)
                    .CopyTo(new Span<float>(_features[row], channels)));
            ProductPhase<TSimd, TVector> product = new(context);
            product.Linear(_features, context.RowCount, input, _normal);
            product.AddTo(phases, "Input");
        }

        PassContext.AddRows(phases, "InputNorm", context.RowCount, row =>
        {
            float* source = _parts.Input is null ? features + ((nint)row * channels) : _normal[row];
            _scales[row] = RowNorm<TSimd, TVector>.Normalise(source, context.Width, _config.LayerNormEpsilon,
                _normal[row]);
            RowNorm<TSimd, TVector>.Apply(_normal[row], _parts.KeyValueNorm, Values[row]);
            if (HasPositions || HasTimes)
                AddPositions(row);
        });
    }

    /// <summary>Adds the phases from the gradient of Z to those of the parameters and the features.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="needs">What is needed.</param>
    /// <param name="featureGradients">Receives the gradient of the features, without gaps, if it is
    /// needed.</param>
    public void AddBackward(PhaseList phases, GradientNeeds needs, float* featureGradients)
    {
        if (!needs.Input)
            return;
        int rows = context.RowCount;
        NormPhase<TSimd, TVector>.AddParameters(phases, "InputNormParameters", Gradient, _normal, rows,
            _parts.KeyValueNorm);
        if (!needs.Features && _parts.Input is not { IsTrained: true })
            return;
        NormPhase<TSimd, TVector>.AddRows(phases, "InputNormGradient", Gradient, _normal, _scales, rows,
            _parts.KeyValueNorm);
        int channels = _config.VisionHiddenSize;
        if (_parts.Input is { } input)
        {
            ProductPhase<TSimd, TVector> products = new(context);
            products.Gradients(Gradient, rows, _features, input);
            if (needs.Features)
                products.InputGradient(Gradient, rows, input, new Rows(featureGradients, channels));
            products.AddTo(phases, "InputGradient");
        }
        else
        {
            PassContext.AddRows(phases, "FeatureGradient", rows, row
                => new ReadOnlySpan<float>(Gradient[row], channels)
                    .CopyTo(new Span<float>(featureGradients + ((nint)row * channels), channels)));
        }
    }

    /// <summary>Writes what does not depend on Z to the memory of the keys: a resized table, and the time of the
    /// frame.</summary>
    private void PlacePositions(int frame)
    {
        BatchLayout batch = context.Batch;
        PatchGrid grid = batch.Grids[frame];
        if (_config.PositionEmbedding.Keys == PositionEmbeddingType.Stored)
        {
            Rows rows = Keys.After(batch.FirstRow(frame));
            PositionEmbedding.Resize(_parts.Positions!.Values, _config.QueryGrid, grid, context.Width, rows.Stride,
                new Span<float>(rows.Start, (int)grid.PatchCount * rows.Stride));
        }

        if (HasTimes && batch.TemporalIdOf(frame) is >= 0 and int time)
            PositionEmbedding.OfFrame(time, new Span<float>(_times[frame], context.Width));
    }

    private void AddPositions(int row)
    {
        BatchLayout batch = context.Batch;
        int frame = batch.FrameOfRow(row);
        ReadOnlySpan<float> values = new(Values[row], context.Width);
        Span<float> keys = new(Keys[row], context.Width);
        switch (_config.PositionEmbedding.Keys)
        {
            case PositionEmbeddingType.Stored:
                SpanMath.Add(values, keys, keys);
                break;
            case PositionEmbeddingType.SinCos2D:
                int half = context.Width / 2;
                int patch = row - batch.FirstRow(frame);
                (int i, int j) = Math.DivRem(_parts.PatchPlaces?[patch] ?? patch, batch.Grids[frame].Columns);
                SpanMath.Add(values[..half], _axis.AsSpan(j * half, half), keys);
                SpanMath.Add(values[half..], _axis.AsSpan(i * half, half), keys[half..]);
                break;
            default:
                values.CopyTo(keys);
                break;
        }

        if (HasTimes && batch.TemporalIdOf(frame) >= 0)
            SpanMath.Add(keys, new ReadOnlySpan<float>(_times[frame], context.Width), keys);
    }

    private void ExtendAxis()
    {
        int half = context.Width / 2;
        int extent = context.Batch.DistinctGrids.Max(grid => Math.Max(grid.Rows, grid.Columns));
        int known = _axis.Length / half;
        if (extent <= known)
            return;
        Array.Resize(ref _axis, checked(extent * half));
        for (int position = known; position < extent; position++)
            PositionEmbedding.SinCos(position, _axis.AsSpan(position * half, half));
    }
}
