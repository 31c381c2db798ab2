using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Training.Products;

namespace MsResampler.Training.Passes;

/// <summary>A <see cref="TrainingPass"/> with the kernels of one instruction set.</summary>
internal sealed unsafe class VectorTrainingPass<TSimd, TVector> : TrainingPass
    where TSimd : struct, ISimd<TVector>
{
    private readonly ModelParts _parts;
    private readonly WorkerPool _workers;
    private readonly PassContext _context;
    private readonly InputStage<TSimd, TVector> _input;
    private readonly QueryStage<TSimd, TVector> _queries;
    private readonly AttentionStage<TSimd, TVector> _attention;
    private readonly FusionStage<TSimd, TVector> _fusion;

    // Scratch memory and what the backward pass needs of the forward pass.
    private AlignedBuffer _kept = new(0);

    // Gradients of activations.
    private AlignedBuffer _gradients = new(0);

    public VectorTrainingPass(ModelParts parts, WorkerPool workers, bool? absorbs)
    {
        _parts = parts;
        _workers = workers;
        _context = new PassContext(parts, workers.ThreadCount, absorbs);
        _input = new InputStage<TSimd, TVector>(_context);
        _queries = new QueryStage<TSimd, TVector>(_context);
        _attention = new AttentionStage<TSimd, TVector>(_context, _input, _queries);
        _fusion = new FusionStage<TSimd, TVector>(_context, _attention);
    }

    /// <inheritdoc/>
    public override long WorkspaceBytes => sizeof(float) * ((long)_kept.Count + _gradients.Count);

    /// <inheritdoc/>
    public override (long Activations, long Gradients) Measure(BatchLayout batch)
    {
        long activations = Place(null, Prepare(batch));
        return (activations, PlaceBackward(null, new GradientNeeds(_parts, features: false)));
    }

    /// <inheritdoc/>
    public override void Forward(BatchLayout batch, float* features, float* tokens,
        CancellationToken cancellationToken)
    {
        _context.CancellationToken = cancellationToken;
        int scratch = Prepare(batch);
        Reserve(ref _kept, Place(null, scratch));
        Place(_kept.Pointer, scratch);
        PhaseList phases = new();
        _input.AddForward(phases, features);
        _queries.AddForward(phases);
        _attention.AddForward(phases);
        _fusion.AddForward(phases, tokens);
        _workers.Run(phases, cancellationToken);
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void Backward(float* tokenGradients, float* featureGradients,
        CancellationToken cancellationToken)
    {
        _context.CancellationToken = cancellationToken;
        GradientNeeds needs = new(_parts, featureGradients != null);
        Reserve(ref _gradients, PlaceBackward(null, needs));
        PlaceBackward(_gradients.Pointer, needs);
        PhaseList phases = new();
        _fusion.AddBackward(phases, needs, tokenGradients);
        _attention.AddBackward(phases, needs);
        _queries.AddBackward(phases, needs);
        _input.AddBackward(phases, needs, featureGradients);
        _workers.Run(phases, cancellationToken);
        GC.KeepAlive(this);
    }

    /// <summary>Replaces a buffer that is too small. The smaller one is dropped first, so that both need not exist at
    /// the same time.</summary>
    private static void Reserve(ref AlignedBuffer buffer, long count)
    {
        if (buffer.Count >= count)
            return;
        buffer = new AlignedBuffer(0);
        buffer = new AlignedBuffer(count);
    }

    /// <summary>Sets the batch, and returns the floats of scratch memory that a thread needs.</summary>
    private int Prepare(BatchLayout batch)
    {
        _context.Batch = batch;
        return Math.Max(_attention.Prepare(), ProductKernel<TSimd, TVector>.ScratchCount);
    }

    private long Place(float* start, int scratch)
    {
        PassMemory memory = new(start);
        _context.PlaceScratch(ref memory, scratch);
        _input.Place(ref memory);
        _queries.Place(ref memory);
        _attention.Place(ref memory);
        _fusion.Place(ref memory);
        return memory.Count;
    }

    private long PlaceBackward(float* start, GradientNeeds needs)
    {
        PassMemory memory = new(start);
        _input.PlaceBackward(ref memory, needs);
        _queries.PlaceBackward(ref memory, needs);
        _attention.PlaceBackward(ref memory, needs);
        _fusion.PlaceBackward(ref memory, needs);
        return memory.Count;
    }
}
