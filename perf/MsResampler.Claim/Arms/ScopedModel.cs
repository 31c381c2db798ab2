using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>A resampler with scopes.</summary>
/// <param name="model">The model.</param>
/// <param name="places">The true places of the patches, if the model sees them in another order; null for their own
/// order.</param>
internal sealed class ScopedModel(TrainableModel model, int[]? places = null) : TokenModel
{
    /// <summary>The learning rate of logarithms of sigmas, in that of other parameters.</summary>
    public const double SigmaRateFactor = 5;

    private readonly ResamplerTrainer _trainer =
        new(model, new TrainerOptions { ThreadCount = 1, PatchPlaces = places });

    private readonly SigmaLimits _limits = SigmaLimits.ForGrid(SceneLayout.Grid(1));
    private float[] _moved = [];

    public TrainableModel Model => model;

    public override IReadOnlyList<TrainableTensor> Tensors => model.Tensors;

    // Logarithms of sigmas have small gradients; 5 times the rate lets a sigma change by a factor of several within a
    // run.
    public override IReadOnlyDictionary<string, double> RateFactors { get; } = model.Tensors.Any(Rescale.IsSigma)
        ? new Dictionary<string, double> { ["*.log_sigma"] = SigmaRateFactor } : new Dictionary<string, double>();

    public override void Forward(ReadOnlySpan<float> features, PatchGrid grid, int sceneCount, Span<float> tokens)
    {
        Span<PatchGrid> grids = stackalloc PatchGrid[sceneCount];
        grids.Fill(grid);
        _trainer.Forward(places is null ? features : Move(features), new FrameGroups(grids), tokens);
    }

    public override void Backward(ReadOnlySpan<float> tokenGradients) => _trainer.Backward(tokenGradients);

    public override void AfterStep() => _limits.Apply(model);

    public override void Dispose()
    {
        _trainer.Dispose();
        base.Dispose();
    }

    private ReadOnlySpan<float> Move(ReadOnlySpan<float> features)
    {
        if (_moved.Length < features.Length)
            _moved = new float[features.Length];
        int size = SceneLayout.FeatureSize;
        for (int row = 0; row < features.Length / size; row++)
        {
            int place = places![row % places.Length];
            features.Slice((row - (row % places.Length) + place) * size, size).CopyTo(_moved.AsSpan(row * size));
        }

        return _moved.AsSpan(0, features.Length);
    }
}
