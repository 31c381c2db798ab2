using System.Globalization;
using System.Numerics.Tensors;

namespace MsResampler.Cli.Input;

/// <summary>Checks features. The backends do not, because they do not know the file and the tensor.</summary>
internal static class FiniteFeatures
{
    /// <summary>Checks that the features of an image are finite.</summary>
    /// <param name="features">[H·W, C].</param>
    /// <param name="channelCount">C.</param>
    /// <param name="grid">H × W.</param>
    /// <param name="describe">Names the image in the message.</param>
    /// <exception cref="InputException">A feature is NaN or infinite.</exception>
    public static void Check(ReadOnlySpan<float> features, int channelCount, PatchGrid grid, Func<string> describe)
    {
        if (TensorPrimitives.IsFiniteAll(features))
            return;
        int index = 0;
        while (float.IsFinite(features[index]))
            index++;
        (int row, int column) = Math.DivRem(index / channelCount, grid.Columns);
        string value = features[index].ToString(CultureInfo.InvariantCulture);
        throw new InputException($"{describe()}: the feature at row {row}, column {column}, channel " +
            $"{index % channelCount} is {value}; every feature must be finite");
    }
}
