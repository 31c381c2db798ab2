using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>Garments without Fashion-MNIST: each class is a rectangle of its own size and brightness in the left
/// half.</summary>
internal static class SyntheticGarments
{
    public static GarmentSet Create(int count = 200)
    {
        byte[] pixels = new byte[count * GarmentSet.Side * GarmentSet.Side];
        byte[] labels = new byte[count];
        for (int garment = 0; garment < count; garment++)
        {
            int garmentClass = garment % GarmentSet.ClassCount;
            labels[garment] = (byte)garmentClass;
            Span<byte> image = pixels.AsSpan(garment * GarmentSet.Side * GarmentSet.Side);
            for (int row = 2; row < 6 + (2 * garmentClass); row++)
                image.Slice((row * GarmentSet.Side) + 2, 12).Fill((byte)(120 + (10 * garmentClass)));
        }

        return new GarmentSet(pixels, labels);
    }
}
