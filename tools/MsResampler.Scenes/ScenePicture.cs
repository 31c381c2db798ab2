namespace MsResampler.Scenes;

/// <summary>A scene as a picture of grey pixels, which <c>msresampler run --image</c> can read.</summary>
/// <remarks>The command gives a model v/127.5 − 1 for a pixel v. The experiment gives it
/// (canvas − <see cref="Scene.Mean"/>)/<see cref="Scene.Deviation"/>. So that the two differ by a factor alone, the
/// picture has v = 127.5·(1 + <see cref="Contrast"/>·(canvas − mean)): black becomes a dark grey. The weights of
/// the demo's model contain the factor, because <c>kv_proj</c> has no bias that could contain a shift.</remarks>
internal static class ScenePicture
{
    /// <summary>The values of a patch: three equal channels.</summary>
    public const int FeatureSize = ChannelCount * SceneLayout.FeatureSize;

    public const int ChannelCount = 3;

    /// <summary>The factor between the canvas and what the command gives the model. White becomes 255.</summary>
    public const float Contrast = 1 / (1 - Scene.Mean);

    /// <summary>What black becomes, from 0 to 255.</summary>
    public const float Black = Middle * (1 - (Contrast * Scene.Mean));

    private const float Middle = 127.5f;

    /// <summary>Rows and columns of the picture, in pixels.</summary>
    public static int Side => SceneLayout.CanvasSide(scale: 1);

    /// <summary>The factor between a feature of the experiment and the same pixel as the command gives it.</summary>
    public static float FeatureFactor => 1 / (Contrast * Scene.Deviation);

    /// <summary>Draws a scene, row-major.</summary>
    public static byte[] Draw(Scene scene)
    {
        float[] canvas = new float[Side * Side];
        scene.Draw(scale: 1, canvas);
        return [.. canvas.Select(value => (byte)MathF.Round(Middle * (1 + (Contrast * (value - Scene.Mean)))))];
    }

    /// <summary>The features of a picture as <c>run --image --patch 4 --size 64</c> computes them, [H·W, C] row-major;
    /// a patch has the order channel, row, column.</summary>
    public static float[] Features(ReadOnlySpan<byte> pixels)
    {
        float[] features = new float[ChannelCount * pixels.Length];
        int patches = Side / SceneLayout.PatchSide;
        for (int row = 0; row < Side; row++)
        {
            for (int column = 0; column < Side; column++)
            {
                int patch = (row / SceneLayout.PatchSide * patches) + (column / SceneLayout.PatchSide);
                int pixel = (row % SceneLayout.PatchSide * SceneLayout.PatchSide) + (column % SceneLayout.PatchSide);
                for (int channel = 0; channel < ChannelCount; channel++)
                    features[(patch * FeatureSize) + (channel * SceneLayout.FeatureSize) + pixel] =
                        (pixels[(row * Side) + column] / Middle) - 1;
            }
        }

        return features;
    }
}
