using MsResampler.Claim.Arms;
using MsResampler.Model;
using MsResampler.Scenes;

namespace MsResampler.Claim.Runs;

/// <summary>What the gate of a trained model chooses for each kind of question.</summary>
internal static class GateUse
{
    /// <summary>The mean weight of each scope, [tasks, scopes]: for each question the mean over tokens, weighted by how
    /// much the reader attends to each.</summary>
    public static double[][] Measure(ScopedModel model, Reader reader, GarmentSet garments, ulong sequence,
        int sceneCount, int questionsPerTask)
    {
        using ResamplerModel open = model.Model.ToModel();
        using Resampler resampler = Resampler.Load(open, new ResamplerOptions { ThreadCount = 1 });
        int scopes = model.Model.Config.Scopes.Count;
        double[][] sums = [.. Enumerable.Range(0, Question.TaskCount).Select(_ => new double[scopes])];
        SceneBatch batch = new(1, questionsPerTask, scale: 1);
        int tokenCount = Arm.Queries.QueryCount;
        for (int index = 0; index < sceneCount; index++)
        {
            batch.Draw(garments, sequence, index);
            Explanation explanation = resampler.Explain(batch.Features, batch.Grid);
            reader.Ask(explanation.Tokens, batch.Questions);
            for (int question = 0; question < batch.Questions.Length; question++)
            {
                // The second look counts only where the question has a second cell.
                int looks = batch.Questions[question].OtherCell >= 0 ? Reader.LookCount : 1;
                for (int head = 0; head < looks * Reader.HeadCount; head++)
                {
                    ReadOnlySpan<float> weights = reader.TokenWeights.Slice(
                        ((question * Reader.LookCount * Reader.HeadCount) + head) * tokenCount, tokenCount);
                    for (int token = 0; token < tokenCount; token++)
                    {
                        for (int scope = 0; scope < scopes; scope++)
                            sums[(int)batch.Questions[question].Task][scope] += (double)weights[token]
                                * explanation.Gate[(token * scopes) + scope]
                                / ((double)looks * Reader.HeadCount * sceneCount * questionsPerTask);
                    }
                }
            }
        }

        return sums;
    }
}
