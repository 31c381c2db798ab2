using MsResampler.Reference;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>A loss of the tokens of the reference, and its derivatives as central differences.</summary>
internal sealed class ReferenceLoss
{
    /// <summary>The step h, about 2e-6. The truncation error of a central difference is c·h², and rounding adds about
    /// 1e-15·loss/h = 5e-10·loss. <see cref="DifferenceTests"/> compares with another step and order. Features are
    /// multiples of 2⁻¹² below 8, so that features that are moved by a step are exact in single precision, which the
    /// reference takes.</summary>
    private const double Step = 1.0 / (1 << 19);

    /// <summary>The larger of two steps for extrapolation.</summary>
    private const double WideStep = 1.0 / (1 << 13);

    private readonly TinyCase _case;
    private readonly RandomLoss _loss;

    public ReferenceLoss(TinyCase drawn)
    {
        _case = drawn;
        _loss = drawn.CreateLoss();
        Model = drawn.CreateModel();
        Features = drawn.CreateFeatures();
    }

    /// <summary>The parameters, which may be changed.</summary>
    public DoubleModel Model { get; }

    /// <summary>The features, multiples of 2⁻¹².</summary>
    public double[] Features { get; }

    /// <summary>The tokens with the present parameters and features, [B, M, L] row-major.</summary>
    public double[] Tokens()
    {
        ReferenceResampler reference = Model.ToReference();
        float[] features = Array.ConvertAll(Features, value => (float)value);
        FrameGroups groups = _case.Groups;
        List<double> tokens = [];
        int firstFeature = 0;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            ReadOnlySpan<PatchGrid> grids = groups.GridsOf(group);
            int[] ids = new int[grids.Length];
            int featureCount = 0;
            for (int frame = 0; frame < ids.Length; frame++)
            {
                ids[frame] = groups.TemporalIdOf(groups.FirstFrameOf(group) + frame);
                featureCount += (int)grids[frame].PatchCount * _case.Config.VisionHiddenSize;
            }

            tokens.AddRange(reference.Resample(features.AsSpan(firstFeature, featureCount), grids, ids));
            firstFeature += featureCount;
        }

        return [.. tokens];
    }

    /// <summary>The derivative of the loss if values move along a direction.</summary>
    /// <param name="values"><see cref="Features"/>, or a parameter of <see cref="Model"/>.</param>
    /// <param name="direction">−1, 0 or 1 for each value.</param>
    public double Derivative(double[] values, ReadOnlySpan<sbyte> direction) => Difference(values, direction, Step);

    /// <summary>The same with larger steps and a smaller truncation error.</summary>
    /// <remarks>The error of a difference with a step h is c·h² + O(h⁴). So differences with h and h/2 are extrapolated
    /// to a step of 0 (Richardson): (4·D(h/2) − D(h))/3 has an error of O(h⁴).</remarks>
    /// <inheritdoc cref="Derivative"/>
    public double Extrapolated(double[] values, ReadOnlySpan<sbyte> direction)
        => ((4 * Difference(values, direction, WideStep / 2)) - Difference(values, direction, WideStep)) / 3;

    private double Difference(double[] values, ReadOnlySpan<sbyte> direction, double step)
    {
        double[] original = [.. values];
        Move(step, direction);
        double above = _loss.ValueOf(Tokens());
        Move(-step, direction);
        double below = _loss.ValueOf(Tokens());
        original.CopyTo(values, 0);
        return (above - below) / (2 * step);

        void Move(double length, ReadOnlySpan<sbyte> signs)
        {
            for (int index = 0; index < values.Length; index++)
                values[index] = original[index] + (length * signs[index]);
        }
    }
}
