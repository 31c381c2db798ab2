using System.Runtime.InteropServices;
using MsResampler.Cpu;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>A random model with a batch and a loss, of the sizes of <see cref="RandomCase"/>, which reach blocked code
/// paths and partial tiles.</summary>
internal sealed class TrainingCase : IDisposable
{
    private const int SearchedCount = 200;

    private readonly RandomCase _case;
    private readonly TestModel _model;
    private readonly bool _absorbs;

    /// <param name="index">The random case.</param>
    /// <param name="absorbs">Whether scopes with windows absorb keys and values where that is possible.</param>
    public TrainingCase(int index, bool absorbs = false)
    {
        _absorbs = absorbs;
        _case = new RandomCase(index);
        _model = new TestModel(_case.Config, _case.Options, seed: (ulong)index);
        Features = [.. Grids.SelectMany((grid, frame) => _model.RandomFeatures(grid, index + frame))];
        Loss = new RandomLoss(index, Groups.GroupCount * TokenLength);
    }

    /// <summary>Cases in which keys and values can be absorbed.</summary>
    public static IEnumerable<int> Absorbing { get; } = [.. Enumerable.Range(0, SearchedCount)
        .Where(index => TinyCase.CanAbsorb(new RandomCase(index).Config))];

    public ResamplerConfig Config => _case.Config;

    public PatchGrid[] Grids => _case.Grids;

    public FrameGroups Groups => _case.FrameCounts.Length == 0 ? new FrameGroups(_case.Grids)
        : new FrameGroups(_case.Grids, _case.TemporalIds, _case.FrameCounts);

    public float[] Features { get; }

    public RandomLoss Loss { get; }

    /// <summary>The number of values of one image's tokens.</summary>
    public int TokenLength => Config.QueryGrid.QueryCount * Config.OutputSize;

    /// <summary>A new copy of the model, whose Gaussian scopes have learned sigmas.</summary>
    public TrainableModel CreateModel() => TrainableModel.From(_model.Model).WithLearnedSigmas();

    /// <summary>A trainer with a number of threads that may exceed the number of processors.</summary>
    public ResamplerTrainer CreateTrainer(TrainableModel model, int threadCount = 2, CpuVariant? variant = null)
        => new(model, new TrainerOptions
        {
            ThreadCount = threadCount,
            ProcessorCount = threadCount,
            Variant = variant,
            Absorbs = _absorbs,
        });

    /// <summary>Runs both passes. Adds to the gradients of the trainer's model.</summary>
    public (float[] Tokens, float[] FeatureGradient) Run(ResamplerTrainer trainer)
    {
        float[] tokens = new float[Loss.Count];
        float[] featureGradient = new float[Features.Length];
        trainer.Forward(Features, Groups, tokens);
        trainer.Backward(Loss.GradientOf(tokens), featureGradient);
        return (tokens, featureGradient);
    }

    /// <summary>The name of the first tensor whose values or gradients differ in a bit; null if none does.</summary>
    public static string? DifferenceOf(TrainableModel left, TrainableModel right)
        => left.Tensors.Zip(right.Tensors).FirstOrDefault(pair
            => !HaveSameBits(pair.First.Values, pair.Second.Values)
                || !HaveSameBits(pair.First.Gradient, pair.Second.Gradient)).First?.Name;

    /// <summary>Whether values have the same bits; also where they are NaN.</summary>
    public static bool HaveSameBits(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
        => MemoryMarshal.AsBytes(left).SequenceEqual(MemoryMarshal.AsBytes(right));

    public override string ToString() => $"{(_absorbs ? "absorbed, " : "")}{_case}";

    public void Dispose() => _model.Dispose();
}
