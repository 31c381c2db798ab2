using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Tensors against each other.</summary>
internal sealed class LayoutTests : InputsFixture
{
    [Test]
    public void ImagesHaveNoGroups()
    {
        AddFeatures(new float[9]);
        AddIntegers("grids", 1, 2, 1, 1);
        using InferenceRequest request = Build();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(request.GroupCount, Is.EqualTo(2));
            Assert.That(request.FrameCounts, Is.Null);
            Assert.That(request.TemporalIds, Is.Null);
            Assert.That(request.Client, Is.EqualTo("client"));
        }
    }

    [Test]
    public void GroupsWithoutTemporalIdsHaveNoTimes()
    {
        AddFeatures(new float[9]);
        AddIntegers("grids", 1, 2, 1, 1);
        AddIntegers("groups", 2);
        using InferenceRequest request = Build();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(request.GroupCount, Is.EqualTo(1));
            Assert.That(request.TemporalIds, Is.EqualTo(new[] { -1, -1 }));
        }
    }

    [Test]
    public void GroupsKeepTheirTemporalIds()
    {
        AddIntegers("temporal_ids", 3, 5, -1);
        AddIntegers("groups", 1, 2);
        AddIntegers("grids", 1, 1, 1, 1, 1, 1);
        AddFeatures(new float[9]);
        using InferenceRequest request = Build();
        Assert.That(request.TemporalIds, Is.EqualTo(new[] { 3, 5, -1 }));
        Assert.That(request.FrameCounts, Is.EqualTo(new[] { 1, 2 }));
    }

    [TestCase(0, 3)]
    [TestCase(3, 0)]
    [TestCase(-1, -3)]
    public void AnEmptyGridIsAnError(int rows, int columns)
    {
        AddFeatures(new float[9]);
        AddIntegers("grids", 1, 1, rows, columns);
        IsWrong(() => Build(), "input 'grids': row 1", "1x1", $"found {rows}x{columns}");
    }

    [TestCase(1, 4, "4")]
    [TestCase(int.MaxValue, int.MaxValue, "4611686014132420609")]
    public void GridsMustHaveTheRowsOfTheFeatures(int rows, int columns, string expected)
    {
        AddFeatures(new float[9]);
        AddIntegers("grids", rows, columns);
        IsWrong(() => Build(), "input 'features'", $"expected {expected} rows", "found 3");
    }

    [Test]
    public void ManyLargeGridsDoNotOverflow()
    {
        AddFeatures(new float[9]);
        AddIntegers("grids", [.. Enumerable.Repeat(int.MaxValue, 20)]);
        IsWrong(() => Build(), "46116860141324206090 rows");
    }

    [TestCase(new[] { 1, 0, 1 }, "group 1", "found 0")]
    [TestCase(new[] { 1 }, "add up to 2", "found 1")]
    [TestCase(new[] { int.MaxValue, int.MaxValue }, "add up to 2", "found 4294967294")]
    [TestCase(new[] { 3, -1 }, "group 1", "found -1")]
    public void WrongGroupsAreAnError(int[] groups, params string[] words)
    {
        AddFeatures(new float[6]);
        AddIntegers("grids", 1, 1, 1, 1);
        AddIntegers("groups", groups);
        IsWrong(() => Build(), ["input 'groups'", .. words]);
    }

    [TestCase(new[] { 1 }, "expected 2 ids", "found 1")]
    [TestCase(new[] { 1, -2 }, "frame 1", "found -2")]
    public void WrongTemporalIdsAreAnError(int[] ids, params string[] words)
    {
        AddFeatures(new float[6]);
        AddIntegers("grids", 1, 1, 1, 1);
        AddIntegers("groups", 2);
        AddIntegers("temporal_ids", ids);
        IsWrong(() => Build(), ["input 'temporal_ids'", .. words]);
    }

    [Test]
    public void TemporalIdsNeedGroups()
    {
        AddFeatures(new float[6]);
        AddIntegers("grids", 1, 1, 1, 1);
        AddIntegers("temporal_ids", 1, 2);
        IsWrong(() => Build(), "input 'temporal_ids'", "'groups'");
    }

    [Test]
    public void FeaturesNeedGrids()
    {
        AddFeatures(new float[6]);
        IsWrong(() => Build(), "input 'grids'", "'features' and 'grids', or 'image'");
    }

    [Test]
    public void GridsNeedFeatures()
    {
        AddIntegers("grids", 1, 1);
        IsWrong(() => Build(), "input 'features'", "'features' and 'grids', or 'image'");
    }

    [Test]
    public void ARequestWithoutInputsIsAnError()
        => IsWrong(() => Build(), "input 'features'", "found no such input");

    [Test]
    public void PicturesAndFeaturesExcludeEachOther()
    {
        Inputs.Declare("image", "BYTES", [1]).AppendElement(new byte[] { 1 });
        AddFeatures(new float[3]);
        IsWrong(() => Build(), "input 'image'", "alone", "'features'");
    }

    [TestCase(float.NaN, "NaN")]
    [TestCase(float.PositiveInfinity, "infinity")]
    [TestCase(float.NegativeInfinity, "-infinity")]
    public void AFeatureThatIsNotFiniteIsNamed(float value, string text)
    {
        float[] features = new float[27];
        features[(1 + 6 + 1) * 3 + 2] = value;
        AddFeatures(features);
        AddIntegers("grids", 1, 1, 2, 3, 2, 1);
        ServerException exception = Assert.Throws<ServerException>(() => Build());
        Assert.That(exception.Message, Is.EqualTo("input 'features': image 2 (2x1 patches): the feature at row 1, "
            + $"column 0, channel 2 is {text}; every feature must be finite"));
    }

    [Test]
    public void AFeatureOfAFrameThatIsNotFiniteIsNamed()
    {
        AddFeatures(0, 0, 0, 0, 0, 0, 0, float.NaN, 0);
        AddIntegers("grids", 1, 1, 1, 1, 1, 1);
        AddIntegers("groups", 1, 2);
        IsWrong(() => Build(), "group 1, frame 1 (1x1 patches)", "channel 1 is NaN");
    }
}
