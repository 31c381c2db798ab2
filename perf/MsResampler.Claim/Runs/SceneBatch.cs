using MsResampler.Scenes;

namespace MsResampler.Claim.Runs;

/// <summary>Scenes with their features and questions.</summary>
internal sealed class SceneBatch(int sceneCount, int questionsPerTask, int scale)
{
    private readonly float[] _canvas = new float[SceneLayout.CanvasSide(scale) * SceneLayout.CanvasSide(scale)];

    public PatchGrid Grid { get; } = SceneLayout.Grid(scale);

    public int SceneCount => sceneCount;

    /// <summary>The features, [scenes, H·W, C].</summary>
    public float[] Features { get; } =
        new float[sceneCount * SceneLayout.Grid(scale).PatchCount * SceneLayout.FeatureSize];

    /// <summary>The questions, scene by scene.</summary>
    public Question[] Questions { get; } = new Question[sceneCount * questionsPerTask * Question.TaskCount];

    /// <summary>Draws consecutive scenes of a sequence.</summary>
    public void Draw(GarmentSet garments, ulong seed, long firstIndex)
    {
        int featureCount = Features.Length / sceneCount;
        for (int index = 0; index < sceneCount; index++)
        {
            Scene scene = new(garments, seed, firstIndex + index);
            scene.Features(scale, _canvas, Features.AsSpan(index * featureCount, featureCount));
            Question[] questions = Question.Draw(scene, questionsPerTask);
            questions.CopyTo(Questions, index * questions.Length);
        }
    }
}
