import { Box, Group, Slider, Text } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { oneIn, rate } from "../../shared/lib/format";
import { fromSlider, SLIDER, toSlider } from "./figures";

const MARKS = [-6, -5, -4, -3, -2, -1].map((value) => ({ value, label: rate(10 ** value) }));

/** A rate, chosen on a logarithmic scale, in both ways of saying it. */
export function RateSlider(props: {
  label: string;
  consequence: (oneIn: string) => string;
  value: number;
  disabled: boolean;
  onChange: (rate: number) => void;
}) {
  const { t } = useTranslation("thresholds");
  const id = useId();
  const { value } = props;
  const said = t("rate", { rate: rate(value), n: oneIn(value) });
  return (
    <Box pb="lg">
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={500} id={id}>
          {props.label}
        </Text>
        <Text size="sm" fw={600}>
          {said}
        </Text>
      </Group>
      <Slider
        mt={4}
        mx="lg"
        {...SLIDER}
        marks={MARKS}
        // The policy's own rate may lie between two steps: it stays until somebody moves it.
        value={toSlider(value)}
        disabled={props.disabled}
        onChange={(place) => props.onChange(fromSlider(place))}
        thumbLabel={props.label}
        thumbValueText={said}
        label={null}
      />
      <Text size="xs" mt={26}>
        {props.consequence(oneIn(value))}
      </Text>
    </Box>
  );
}
